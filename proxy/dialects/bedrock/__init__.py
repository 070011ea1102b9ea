"""Amazon Bedrock's Converse API: requests, answers, and streams in AWS's binary framing."""
