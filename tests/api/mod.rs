//! The HTTP API as clients see it: the whole application over the in-memory store and a scripted nginx.

mod absorb;
mod backup;
mod bodies;
mod conditional;
mod config;
mod credentials;
mod document;
mod errors;
mod events;
mod gateway;
mod login;
mod node_config;
mod paging;
mod reachability;
mod refusals;
mod resources;
mod restore;
mod served;
mod settings;
mod sidecars;
mod spa;
mod takeover;
mod topology;
mod vhosts;
mod world;
