import type { Choice, Completion } from "./gen/dragoman/v1/completion_pb.js";
import type { ToolCall } from "./gen/dragoman/v1/tool_pb.js";

/** The text of the choice with that index, without reasoning, refusals and tool calls. Throws RangeError if there is none. */
export function textOf(completion: Completion, index = 0): string {
  const parts = choiceOf(completion, index).message?.parts ?? [];
  return parts.map(({ content }) => (content.case === "text" ? content.value : "")).join("");
}

/** The tool calls that the choice with that index requests, in order. Throws RangeError if there is no such choice. */
export function toolCallsOf(completion: Completion, index = 0): ToolCall[] {
  const parts = choiceOf(completion, index).message?.parts ?? [];
  return parts.flatMap(({ content }) => (content.case === "toolCall" ? [content.value] : []));
}

function choiceOf({ choices }: Completion, index: number): Choice {
  const choice = choices.find((candidate) => candidate.index === index);
  if (!choice) {
    throw new RangeError(`The completion has ${choices.length} choices, none with index ${index}.`);
  }
  return choice;
}
