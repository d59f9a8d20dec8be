//! The HTTP API as clients see it: the whole application over the in-memory store and a scripted nginx.

mod bodies;
mod conditional;
mod config;
mod credentials;
mod document;
mod errors;
mod gateway;
mod login;
mod paging;
mod reachability;
mod refusals;
mod resources;
mod served;
mod sidecars;
mod vhosts;
mod world;
