//! Something that is made of files, and made again when they change.
//!
//! The files are read again from time to time and compared by what is in them: certificates that
//! Kubernetes mounts are links that are swapped, which notifications and times of modification
//! miss. While they cannot be used (a certificate is there before its key), what was made last
//! stays.

use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use tokio::task::AbortHandle;

use super::TlsError;
use super::files::{File, Pem};
use crate::task;

/// What is made of files. The watch over them ends when this is dropped.
#[derive(Debug)]
pub(super) struct Reloaded<T> {
    current: Arc<ArcSwap<T>>,
    task: Option<AbortHandle>,
}

impl<T> Reloaded<T> {
    pub(super) fn load(&self) -> Arc<T> {
        self.current.load_full()
    }
}

impl<T> Drop for Reloaded<T> {
    fn drop(&mut self) {
        if let Some(task) = &self.task {
            task.abort();
        }
    }
}

/// Makes it of `files`, and again when they have changed, which is looked at `every` so often.
///
/// # Errors
/// What `make` says, and when a file cannot be read.
pub(super) fn reloaded<T: Send + Sync + 'static>(
    files: Vec<File>,
    every: Option<Duration>,
    make: impl Fn(&[Pem]) -> Result<T, TlsError> + Send + 'static,
) -> Result<Reloaded<T>, TlsError> {
    let mut used = read(&files)?;
    let current = Arc::new(ArcSwap::from_pointee(make(&used)?));
    let task = every.map(|every| {
        let current = Arc::clone(&current);
        task::spawn(async move {
            let mut last_problem = None;
            loop {
                tokio::time::sleep(every).await;
                let made = match read(&files) {
                    Ok(pems) if same(&pems, &used) => {
                        last_problem = None;
                        continue;
                    }
                    Ok(pems) => make(&pems).map(|made| (pems, made)),
                    Err(error) => Err(error),
                };
                match made {
                    Ok((pems, made)) => {
                        current.store(Arc::new(made));
                        let first = pems.first().map(|pem| pem.path().display());
                        tracing::info!(
                            file = first.map(tracing::field::display),
                            "certificates reloaded"
                        );
                        used = pems;
                        last_problem = None;
                    }
                    Err(error) => {
                        let problem = error.to_string();
                        // Said once, not every time.
                        if last_problem.as_ref() != Some(&problem) {
                            let error = &error as &dyn std::error::Error;
                            tracing::error!(
                                error,
                                "failed to reload certificates, the old ones stay"
                            );
                        }
                        last_problem = Some(problem);
                    }
                }
            }
        })
        .abort_handle()
    });
    Ok(Reloaded { current, task })
}

fn read(files: &[File]) -> Result<Vec<Pem>, TlsError> {
    files.iter().map(File::read).collect()
}

fn same(left: &[Pem], right: &[Pem]) -> bool {
    left.iter()
        .map(|pem| &pem.bytes)
        .eq(right.iter().map(|pem| &pem.bytes))
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use super::*;

    const EVERY: Duration = Duration::from_secs(10);

    struct TestFile(PathBuf);

    impl TestFile {
        fn new(name: &str) -> Self {
            let name = format!("chassis-reload-{}-{name}", std::process::id());
            let file = Self(std::env::temp_dir().join(name));
            file.write("one");
            file
        }

        fn write(&self, text: &str) {
            std::fs::write(&self.0, text).expect("a temporary file");
        }

        fn reloaded(&self, every: Option<Duration>) -> Result<Reloaded<String>, TlsError> {
            let file = File {
                setting: "server.tls.cert",
                path: self.0.clone(),
            };
            reloaded(vec![file], every, |pems| {
                let text = String::from_utf8_lossy(&pems[0].bytes).into_owned();
                match text.as_str() {
                    "bad" => Err(pems[0].unusable("is bad")),
                    _ => Ok(text),
                }
            })
        }
    }

    impl Drop for TestFile {
        fn drop(&mut self) {
            let _ = std::fs::remove_file(&self.0);
        }
    }

    /// Lets the watch look once.
    async fn look() {
        tokio::time::sleep(EVERY + Duration::from_millis(1)).await;
    }

    #[tokio::test(start_paused = true)]
    async fn a_file_that_changes_is_read_again() {
        let file = TestFile::new("changes");
        let reloaded = file.reloaded(Some(EVERY)).expect("usable");
        assert_eq!(*reloaded.load(), "one");
        file.write("two");
        assert_eq!(*reloaded.load(), "one");
        look().await;
        assert_eq!(*reloaded.load(), "two");
    }

    #[tokio::test(start_paused = true)]
    async fn what_was_made_last_stays_while_a_file_is_unusable() {
        let file = TestFile::new("unusable");
        let reloaded = file.reloaded(Some(EVERY)).expect("usable");
        file.write("bad");
        look().await;
        assert_eq!(*reloaded.load(), "one");
        std::fs::remove_file(&file.0).expect("it is there");
        look().await;
        assert_eq!(*reloaded.load(), "one");
        file.write("two");
        look().await;
        assert_eq!(*reloaded.load(), "two");
    }

    #[tokio::test]
    async fn an_error_at_the_beginning_names_the_file_and_the_setting() {
        let file = TestFile::new("beginning");
        file.write("bad");
        let error = file.reloaded(None).expect_err("it is bad");
        assert_eq!(
            error.to_string(),
            format!("{} (`server.tls.cert`) is bad", file.0.display())
        );
    }
}
