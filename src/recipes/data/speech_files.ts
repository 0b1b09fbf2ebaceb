import { type ByteFile, memoryFile } from "../../adapters/data/byte_files.ts";
import { unionSpeeches } from "./union_speeches.ts";

/** The State of the Union addresses as files, in order: "1790-washington.txt" is the first of 233. */
export async function speechFiles(): Promise<readonly ByteFile[]> {
  return (await unionSpeeches()).map(({ year, name, text }) => {
    const surname = name.split(" ").at(-1)!.toLowerCase();
    return memoryFile(`${year}-${surname}.txt`, new TextEncoder().encode(text));
  });
}
