//! Infrastructure inside this process, for development: the part of each real protocol that the
//! services' clients use. It keeps everything in memory and replaces no cluster.

pub mod consul;
