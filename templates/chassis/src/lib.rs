//! The chassis: everything cross-cutting in a generated system.
