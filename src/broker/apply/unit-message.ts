import { messageOf } from "../../errors/index.js";

/** The message of an error, or this text, without the name of the unit in front: reports have the unit in a field. */
export function unitMessage(unit: string, error: unknown): string {
  const message = typeof error === "string" ? error : messageOf(error);
  return message.startsWith(`${unit}: `) ? message.slice(unit.length + 2) : message;
}
