//! `msvc call`.
