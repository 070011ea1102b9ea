// The official npm client, unmodified but for its base URL: prints what it understood, as one JSON object.
import OpenAI from "openai";

const [baseURL, model] = process.argv.slice(2);
const client = new OpenAI({ baseURL, apiKey: "any", maxRetries: 0 });
const messages = [{ role: "user", content: "Please set points 3." }];
const parameters = { type: "object", properties: { lever: { type: "integer" } }, required: ["lever"] };
const tools = [{ type: "function", function: { name: "set_points", parameters } }];

async function pieces(stream) {
  let text = "";
  let usage = null;
  let finish = null;
  for await (const chunk of stream) {
    text += chunk.choices[0]?.delta?.content ?? "";
    finish = chunk.choices[0]?.finish_reason ?? finish;
    usage = chunk.usage ?? usage;
  }
  return { text, usage, finish };
}

async function failure(request) {
  try {
    await request();
    return null;
  } catch (error) {
    return { kind: error.constructor.name, status: error.status, code: error.code, id: error.requestID ?? null };
  }
}

const options = { include_usage: true };
const whole = await client.chat.completions.create({ model, messages });
const called = await client.chat.completions.create({ model, messages, tools });
const toolStream = client.chat.completions.stream({ model, messages, tools });
const listed = await client.models.list();

console.log(
  JSON.stringify({
    whole: { text: whole.choices[0].message.content, usage: whole.usage, id: whole._request_id },
    stream: await pieces(await client.chat.completions.create({ model, messages, stream: true })),
    counted: await pieces(
      await client.chat.completions.create({ model, messages, stream: true, stream_options: options }),
    ),
    tool: called.choices[0].message.tool_calls[0].function,
    streamedTool: (await toolStream.finalChatCompletion()).choices[0].message.tool_calls[0].function,
    models: listed.data.map((each) => each.id),
    unknown: await failure(() => client.chat.completions.create({ model: "nobody-has-it", messages })),
    bad: await failure(() => client.chat.completions.create({ model, messages: [] })),
    broken: await failure(async () => pieces(await client.chat.completions.create({ model: "broken", messages, stream: true }))),
  }),
);
