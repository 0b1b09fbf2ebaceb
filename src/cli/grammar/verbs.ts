import { bisect } from "./bisect.ts";
import { checkpoints } from "./checkpoints.ts";
import { diff } from "./diff.ts";
import { doctor } from "./doctor.ts";
import { exportVerb } from "./export.ts";
import { fork } from "./fork.ts";
import { gc } from "./gc.ts";
import { log } from "./log.ts";
import { materialize } from "./materialize.ts";
import { merge } from "./merge.ts";
import { probe } from "./probe.ts";
import { prune } from "./prune.ts";
import { resume } from "./resume.ts";
import { runs } from "./runs.ts";
import { show } from "./show.ts";
import { tokenize } from "./tokenize.ts";
import { train } from "./train.ts";
import { verify } from "./verify.ts";

/** Every verb by its name, in the order in which help lists them. */
export const verbs = {
  train,
  resume,
  fork,
  runs,
  show,
  log,
  checkpoints,
  verify,
  diff,
  bisect,
  probe,
  materialize,
  export: exportVerb,
  merge,
  prune,
  gc,
  tokenize,
  doctor,
};
