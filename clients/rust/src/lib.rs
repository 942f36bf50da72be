#![doc = include_str!("../README.md")]

mod client;
pub mod config;
mod connection;
mod error;
mod operation;
mod progress;
mod request;
mod stream;

/// The modules are nested as their proto packages are, because the generated code refers to them by `super`.
#[allow(missing_docs, unreachable_pub, clippy::all, rustdoc::all)]
mod generated {
    pub mod dragoman {
        pub mod v1 {
            include!("gen/dragoman/v1/dragoman.v1.rs");
        }
    }
    pub mod google {
        pub mod longrunning {
            include!("gen/google/longrunning/google.longrunning.rs");
        }
    }
}

pub use client::{Builder, Client};
pub use error::{Error, FieldViolation};
/// The messages and stubs of `dragoman.v1`, with server traits for tests.
pub use generated::dragoman::v1;
/// The messages and stubs of `google.longrunning`.
pub use generated::google::longrunning;
pub use operation::Operation;
pub use stream::CompletionStream;
pub use tonic::Code;
#[cfg(any(feature = "tls-ring", feature = "tls-aws-lc"))]
pub use tonic::transport::{Certificate, ClientTlsConfig, Identity};
pub use v1::ErrorReason;
