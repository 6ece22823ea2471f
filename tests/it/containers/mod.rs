//! `msvc up` and what belongs to it, with a real Docker engine and real programs in its containers.
//!
//! The engine is one of the tests' own (`.ci/engine`), its images are built from Debian's packages
//! (`.ci/images`); MSVC_TEST_DOCKER_HOST says where it is.

mod benched;
mod failures;
mod interrupted;
mod lifecycle;
mod proxy;
mod pulls;
mod services;
mod site;
