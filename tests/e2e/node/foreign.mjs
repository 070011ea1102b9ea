// The Vercel AI SDK with other vendors' providers, each against one of another dialect: prints what it understood, as JSON.
import { generateText, jsonSchema, stepCountIs, streamText, tool } from "ai";
import { createAnthropic } from "@ai-sdk/anthropic";
import { createGoogleGenerativeAI } from "@ai-sdk/google";
import { createOpenAI } from "@ai-sdk/openai";
import { createOpenAICompatible } from "@ai-sdk/openai-compatible";

globalThis.AI_SDK_LOG_WARNINGS = false; // they would stand before the report
const [url, provider, askedJson] = process.argv.slice(2);
const asked = JSON.parse(askedJson);
const apiKey = "any";
const models = {
  anthropic: createAnthropic({ baseURL: `${url}/v1`, apiKey })(provider),
  google: createGoogleGenerativeAI({ baseURL: `${url}/v1beta`, apiKey })(provider),
  responses: createOpenAI({ baseURL: `${url}/v1`, apiKey }).responses(provider),
  chat: createOpenAI({ baseURL: `${url}/v1`, apiKey }).chat(provider),
  compatible: createOpenAICompatible({ name: "gateway", baseURL: `${url}/v1`, apiKey })(provider),
};

async function conversation(model) {
  const common = { model, system: asked.system, maxRetries: 0 };
  const whole = await generateText({ ...common, prompt: asked.plain });
  const stream = streamText({ ...common, prompt: asked.plain });
  const pieces = [];
  for await (const piece of stream.textStream) pieces.push(piece);
  const cities = [];
  const execute = async ({ city }) => {
    cities.push(city);
    return asked.said[city];
  };
  const tools = {
    get_weather: tool({ description: asked.tool.description, inputSchema: jsonSchema(asked.tool.parameters), execute }),
  };
  const looped = await generateText({ ...common, prompt: asked.weather, tools, stopWhen: stepCountIs(3) });
  return {
    whole: whole.text,
    finish: whole.finishReason,
    tokens: whole.usage.outputTokens,
    stream: pieces,
    cities: cities.sort(),
    looped: looped.text,
  };
}

const said = {};
for (const [name, model] of Object.entries(models)) said[name] = await conversation(model);
console.log(JSON.stringify(said));
