//! The integration tests: one binary, a file a command.

mod bench;
mod bench_engines;
mod call;
mod cert;
mod chat_fixture;
mod checked_in_protos;
mod cli;
mod collector_conformance;
mod consul_conformance;
mod doctor;
mod etcd_conformance;
mod generated;
mod install;
mod interrupted;
mod layout;
mod new;
mod proto_breaking;
mod proto_format;
mod proto_gen;
mod proto_lint;
mod run;
mod secret;
mod support;
mod tidy;
mod tls;
mod trace;
