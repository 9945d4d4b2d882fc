using Workerd = import "/workerd/workerd.capnp";

# One worker, whose `test()` is the suite. It has no address, and what it might call leads nowhere.
const config :Workerd.Config = (
  services = [(name = "suite", worker = .suite), (name = "nowhere", network = (allow = []))],
);

const suite :Workerd.Worker = (
  modules = [(name = "worker.js", esModule = embed "../.build/workerd/worker.js")],
  compatibilityDate = "2026-10-01",
  globalOutbound = "nowhere",
);
