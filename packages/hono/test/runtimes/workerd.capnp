using Workerd = import "/workerd/workerd.capnp";

# One worker on two ports: of the app, and of what the contract asks it. What it might call leads nowhere.
const config :Workerd.Config = (
  services = [(name = "hono", worker = .hono), (name = "nowhere", network = (allow = []))],
  sockets = [
    (name = "app", address = "127.0.0.1:0", http = (), service = "hono"),
    (name = "probe", address = "127.0.0.1:0", http = (), service = (name = "hono", entrypoint = "asked")),
  ],
);

const hono :Workerd.Worker = (
  modules = [(name = "workerd.js", esModule = embed "workerd.js")],
  compatibilityDate = "2026-10-01",
  globalOutbound = "nowhere",
);
