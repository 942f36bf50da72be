//! The client against a service in the same process.
#![allow(missing_docs, unreachable_pub)]

mod calls;
mod config;
mod operations;
mod service;
mod streams;
