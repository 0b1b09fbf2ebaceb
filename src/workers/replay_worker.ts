import { fileStore } from "../adapters/file_store.ts";
import { openDevice } from "../adapters/device/tfjs_backend.ts";
import { answerRequests } from "../adapters/file_objects/thread.ts";
import type { RunError } from "../app/errors/errors.ts";
import { type Plans, plansOf } from "../app/training/plan.ts";
import { readRun, type RecordedRun } from "../app/reading/read_run.ts";
import { replaySegment, type SegmentReplay } from "../app/replay/replay_segment.ts";
import { attempt, type Await } from "../ports/attempt.ts";
import type { Device } from "../ports/device.ts";
import type { Notice } from "../ports/reporter.ts";
import type { ReplayAnswer, ReplayRequest } from "./replay_request.ts";
import { loadTask } from "./task_module.ts";

/** What a run is recomputed with, kept from one of its segments to the next. */
interface Opened {
  readonly recorded: RecordedRun;
  readonly device: Device;
  readonly plans: Plans;
}

const opened = new Map<string, Opened>();

answerRequests<ReplayRequest, ReplayAnswer, Notice>(async (request, tell) => {
  const replay = attempt<RunError, SegmentReplay>(async (get) => {
    const { recorded, device, plans } = await openedFor(request, get);
    const store = fileStore(request.means.root);
    const env = { store, device, reporter: { report: tell } };
    return await get(replaySegment(env, recorded, plans, request.segment));
  });
  return { answer: await replay(), transfer: [] };
});

async function openedFor(request: ReplayRequest, get: Await<RunError>): Promise<Opened> {
  const before = opened.get(request.run);
  if (before !== undefined && before.recorded.events.length >= request.segment.end) return before;
  const now = await open(request, get); // also where the run has grown since
  opened.set(request.run, now);
  return now;
}

async function open(
  { run, means }: ReplayRequest,
  get: Await<RunError>,
): Promise<Opened> {
  const recorded = await get(readRun(fileStore(means.root), run));
  const device = await get(openDevice(means.backend));
  const task = await loadTask(means.task, recorded.state.task!);
  return { recorded, device, plans: plansOf(run, task) };
}
