//! Connections against scripted servers.
