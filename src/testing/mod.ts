/** The suites that every adapter must pass, to run on adapters of your own. @module */
export { eventLogContract, type LogFixture, type MakeLog } from "./event_log_contract.ts";
export { type SnapshotFixture, snapshotStoreContract } from "./snapshot_store_contract.ts";
export { type SourceFixture, sourceStoreContract } from "./source_store_contract.ts";
