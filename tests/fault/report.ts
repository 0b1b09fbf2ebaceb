import { isGood } from "./judge.ts";
import { type Row, ROWS } from "./sites.ts";
import { COLUMNS, complaintOf, MEANS, type Trial } from "./trial.ts";

/** What was tried, and how. */
export interface MatrixRun {
  readonly trials: readonly Trial[];
  /** Different calls of all operations that change the store. */
  readonly calls: number;
  readonly command: string;
  readonly date: string;
  readonly machine: string;
  readonly versions: readonly string[];
  readonly seed: number;
  readonly minutes: number;
  /** Why nothing could be mounted, where nothing could. */
  readonly noMount?: string;
}

const MEANT_BY_ROW: Readonly<Record<Row, string>> = {
  "open": "a run is opened, new, or again after a crash that left half a line",
  "append": "an event is appended to a segment, each durable on its own",
  "group commit": "events are appended together, every 5 ms, and their first segment is begun",
  "roll": "a segment is begun, with every append",
  "source": "a file of the code is stored, before the first event",
  "snapshot object": "the file of a group of tensors is stored, and the lock of the objects taken",
  "manifest": "a manifest is stored",
  "link": "the view under `checkpoints/` is made",
  "event": "`SnapshotTaken` is appended, when all that it names is durable",
  "state cache": "`state.json` is replaced, beside the training",
  "pause": "a run is resumed, trained a step, and paused: a snapshot and `RunPaused`",
  "prune": "two snapshots of three are pruned: events, the view, and then garbage",
  "gc": "what a deleted run left is collected, beside a run that stays",
};

const MEANT_BY_COLUMN: Readonly<Record<Trial["column"], string>> = {
  "kill": "SIGKILL in place of the Nth system call that changes the store, or syncs it",
  "EIO":
    "the Nth system call returns EIO and does nothing: any on the store, reading too, but a sync",
  "ENOSPC": "the Nth call that takes room returns ENOSPC; or the disk is full then",
  "short write": "a write takes fewer bytes than it was given, and says so",
  "fsync failure": "the Nth `fsync` or `fdatasync` returns EIO",
  "power loss": "all that the disk has not been told to keep is gone",
};

const MEANT_BY_MEANS: Readonly<Record<Trial["means"], string>> = {
  "strace":
    "**Real** for kills. Errors are injected into the system calls of a real process, which are not made",
  "full tmpfs":
    "**Real.** A tmpfs with room for one page, or one name, more each time, until there is enough: writes are cut at " +
    "the end of a page, or refused",
  "file size limit":
    "**Real.** RLIMIT_FSIZE at random: a write that is cut by the system, and then EFBIG",
  "short FsFile.write":
    "**Injected** into the process, below foldlog: each write of its main thread takes 1, 7, 100 or " +
    "1000 bytes at most, and has to be continued. The thread that stores snapshots is not reached",
  "ext4":
    "**Real.** ext4 on a loop device; the process is killed, and a copy of the disk, made before anything " +
    "else is written to it, is mounted",
  "model":
    "**Simulated** from the calls of a real process, after each of them: of a file there is what was " +
    "synced, of a directory the names that were synced; or all names too, what was not synced being " +
    "zeros; or all bytes, but not all names",
  "killed, then model":
    "**Simulated** the same way: a process is killed, another does it all again, and then the power is lost",
};

/** The page `docs/crash-matrix.md`. */
export function crashMatrixPage(run: MatrixRun): string {
  const { trials, noMount } = run;
  const struck = trials.filter(({ struck }) => struck);
  const killed = new Set(struck.filter(({ column }) => column === "kill").map(({ what }) => what));
  const complaints = complaintsOf(trials);
  return [
    "# Crash matrix",
    `Made by \`${run.command}\`, not by hand, on ${run.date}, in ${run.minutes} minutes: ${run.machine}, ` +
    `${run.versions.join(", ")}, \`FOLDLOG_TEST_SEED=${run.seed}\`.`,
    "A training of ten steps is struck by a fault, in a process of its own. Then its store is looked at, " +
    "the same is done again without a fault, and the run is trained to its end. A cell says how many " +
    "faults struck, how many events were **lost** that the log had acknowledged, how many reads were " +
    "**torn** (of the log, or of a snapshot that it names), and whether what came of it in the end is " +
    "**equal** in bits to a run that nobody disturbed, and verifies.",
    "A process that is told of an error must end by itself with a sentence that says which, or go on " +
    "without the snapshot and record `SnapshotFailed`. One that crashes, or hangs, counts as bad.",
    matrixTable(trials),
    complaints.length === 0
      ? "No fault did harm."
      : `## What is wrong\n\n${complaints.map((text) => `- ${text}`).join("\n")}`,
    "## What the rows are",
    table(["row", "what is done"], ROWS.map((row) => [row, MEANT_BY_ROW[row]])),
    "A dash stands where there is nothing to strike: an operation that writes nothing has no short write.",
    "## What the columns are",
    table(["column", "what happens"], COLUMNS.map((column) => [column, MEANT_BY_COLUMN[column]])),
    "## What makes the faults",
    table(
      ["means", "what it is", "faults", "too late"],
      MEANS.map((means) => [means, MEANT_BY_MEANS[means], ...countsOf(trials, means, noMount)]),
    ),
    "A fault is too late where the process ends before it: it is judged too, and counts nowhere. " +
    `The operations make ${run.calls} calls that change the store or sync it; processes were killed ` +
    `at ${killed.size} of them. strace counts the calls of each thread, and which thread makes a call ` +
    "is chance; at which it struck is read from its trace.",
    "## What was not tried",
    notTried(noMount),
  ].join("\n\n") + "\n";
}

/** The matrix as a Markdown table. */
export function matrixTable(trials: readonly Trial[]): string {
  return table(
    ["", ...COLUMNS],
    ROWS.map((row) => [`**${row}**`, ...COLUMNS.map((column) => cell(trials, row, column))]),
  );
}

/** What went wrong, in words; also where a fault came too late to strike. */
export function complaintsOf(trials: readonly Trial[]): readonly string[] {
  return trials.map(complaintOf).filter((complaint) => complaint !== undefined);
}

function cell(trials: readonly Trial[], row: Row, column: Trial["column"]): string {
  const here = trials.filter((trial) => trial.row === row && trial.column === column);
  const struck = here.filter((trial) => trial.struck);
  const bad = here.filter(({ verdict }) => !isGood(verdict)).length;
  if (struck.length === 0) return bad === 0 ? "-" : `**${bad} BAD**`;
  const lost = struck.reduce((sum, { verdict }) => sum + verdict.lost, 0);
  const torn = struck.reduce((sum, { verdict }) => sum + verdict.torn.length, 0);
  const unequal = struck.filter(({ verdict }) => verdict.unequal.length > 0).length;
  const end = unequal === 0 ? "equal" : `${unequal} not equal`;
  const text = `${struck.length} faults: ${lost} lost, ${torn} torn, ${end}`;
  return bad === 0 ? text : `**${text}, ${bad} BAD**`;
}

function countsOf(
  trials: readonly Trial[],
  means: Trial["means"],
  noMount: string | undefined,
): readonly string[] {
  const here = trials.filter((trial) => trial.means === means);
  if (here.length === 0 && noMount !== undefined) return ["not run here", ""];
  const struck = here.filter((trial) => trial.struck).length;
  return [`${struck}`, `${here.length - struck}`];
}

function notTried(noMount: string | undefined): string {
  const never = [
    "A disk that fails below the file system: the sync that fails is told so by strace, and what was " +
    "written stays in the system's memory, where a real one may drop it.",
    "A power loss in the middle of one write of the disk: ext4 is left as it is between two of them.",
    "Other file systems than ext4 and tmpfs, network file systems, and systems other than Linux.",
    "Compressed snapshots: the store keeps them as they are by default.",
  ];
  const here = noMount === undefined ? [] : [
    `Full disks and power loss on ext4, for nothing could be mounted (${noMount}). As root, where ` +
    "there are loop devices, they are run.",
  ];
  return [...here, ...never].map((text) => `- ${text}`).join("\n");
}

function table(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const lines = [head, head.map(() => "---"), ...rows];
  return lines.map((cells) => `| ${cells.join(" | ")} |`).join("\n");
}
