//! Where descriptors come from, and what becomes of new ones.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Weak};
use std::time::Duration;

use prost_reflect::DescriptorPool;

use crate::Error;
use crate::front::Gateway;
use crate::settings::Upstream;
use crate::table::Table;

/// The table of what an encoded `FileDescriptorSet` describes.
///
/// # Errors
/// When it is not one, or does not fit the settings.
pub(crate) fn table(encoded: &[u8], upstreams: &[Upstream]) -> Result<Table, Error> {
    let invalid = |error: prost_reflect::DescriptorError| Error::Descriptors(error.to_string());
    let mut pool = DescriptorPool::decode(encoded).map_err(invalid)?;
    // The types of the details of errors.
    if pool.get_message_by_name("google.rpc.ErrorInfo").is_none() {
        let known = tonic_types::pb::FILE_DESCRIPTOR_SET;
        pool.decode_file_descriptor_set(known).map_err(invalid)?;
    }
    Table::new(pool, upstreams).map_err(Error::Descriptors)
}

/// A file with descriptors.
#[derive(Debug)]
pub(crate) struct File {
    path: PathBuf,
    /// What it held when it was read last.
    seen: Vec<u8>,
}

impl File {
    /// # Errors
    /// When it cannot be read.
    pub(crate) fn read(path: &Path) -> Result<Self, Error> {
        let seen = std::fs::read(path).map_err(|source| Error::File {
            path: path.to_owned(),
            source,
        })?;
        Ok(Self {
            path: path.to_owned(),
            seen,
        })
    }

    pub(crate) fn encoded(&self) -> &[u8] {
        &self.seen
    }

    /// Hands what the file describes to `gateway` whenever it has changed, for as long as the gateway
    /// is there. The content is compared, since what stands behind a name may be swapped without a
    /// trace of time, as Kubernetes does with its ConfigMaps. What does not fit changes nothing.
    pub(crate) fn follow(
        mut self,
        gateway: &Arc<Gateway>,
        upstreams: Vec<Upstream>,
        every: Duration,
    ) {
        let gateway: Weak<Gateway> = Arc::downgrade(gateway);
        tokio::spawn(async move {
            loop {
                tokio::time::sleep(every).await;
                let Some(gateway) = gateway.upgrade() else {
                    return;
                };
                // One that is gone for a moment is about to be written anew.
                let Ok(now) = tokio::fs::read(&self.path).await else {
                    continue;
                };
                if now == self.seen {
                    continue;
                }
                let path = self.path.display();
                match table(&now, &upstreams) {
                    Ok(table) => {
                        tracing::info!(%path, methods = table.paths().count(), "new descriptors");
                        gateway.replace(table);
                    }
                    Err(error) => {
                        tracing::warn!(%path, ?error, "new descriptors are refused, the last good ones stay");
                    }
                }
                self.seen = now;
            }
        });
    }
}
