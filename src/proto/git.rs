//! What git has committed: read out of its objects, by the command `git`.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Command, Stdio};
use std::thread;

use crate::proto::layout;

/// What git says when it fails.
#[derive(Debug, thiserror::Error)]
pub enum GitError {
    /// The program cannot be started.
    #[error("`git` cannot be started: {0}")]
    Start(std::io::Error),
    /// It ended with an error.
    #[error("{0}")]
    Failed(String),
}

/// A git repository, of which only what is committed is read: neither the files of the user nor the
/// index are touched.
#[derive(Clone, Copy, Debug)]
pub struct Git<'a> {
    /// A folder in it.
    pub folder: &'a Path,
}

impl Git<'_> {
    /// What git prints.
    ///
    /// # Errors
    /// When it fails.
    pub fn run(&self, args: &[&str]) -> Result<Vec<u8>, GitError> {
        let output = Command::new("git")
            .arg("-C")
            .arg(self.folder)
            .args(args)
            .stdin(Stdio::null())
            .output()
            .map_err(GitError::Start)?;
        match output.status.success() {
            true => Ok(output.stdout),
            false => Err(GitError::Failed(said(&output.stderr))),
        }
    }

    /// The commit that a name means.
    ///
    /// # Errors
    /// When there is none.
    pub fn commit(&self, given: &str) -> Result<String, GitError> {
        // A name cannot be taken for an option behind this.
        let name = format!("{given}^{{commit}}");
        let args = ["rev-parse", "--verify", "--end-of-options", &name];
        Ok(String::from_utf8_lossy(&self.run(&args)?).trim().to_owned())
    }

    /// The protos of a commit at or below the folder, and what says where they are, by their paths
    /// relative to it.
    ///
    /// # Errors
    /// When git fails.
    pub fn files(&self, commit: &str) -> Result<BTreeMap<String, Vec<u8>>, GitError> {
        let listed = self.run(&["ls-tree", "-r", "-z", commit, "--", "."])?;
        let mut wanted: Vec<(String, String)> = Vec::new();
        let mut links = BTreeSet::new();
        for entry in listed.split(|&byte| byte == 0) {
            // `100644 blob <object>\t<path>`
            let entry = String::from_utf8_lossy(entry);
            let Some((kind, path)) = entry.split_once('\t') else {
                continue;
            };
            let mut kind = kind.split(' ');
            let is_link = kind.next() == Some("120000");
            // A link may lead to a folder.
            if kind.next() == Some("blob") && (is_link || layout::is_wanted(path)) {
                let object = kind.next().unwrap_or_default();
                wanted.push((object.to_owned(), path.to_owned()));
                if is_link {
                    links.insert(path.to_owned());
                }
            }
        }
        let mut files = self.contents(wanted)?;
        // What git has of a link is where it leads.
        let targets = links.into_iter().filter_map(|path| {
            let target = String::from_utf8(files.remove(&path)?).ok()?;
            Some((path, target))
        });
        let targets = targets.collect();
        layout::follow_links(&mut files, &targets);
        Ok(files)
    }

    /// The contents of objects, all out of one process.
    fn contents(
        &self,
        wanted: Vec<(String, String)>,
    ) -> Result<BTreeMap<String, Vec<u8>>, GitError> {
        let mut git = Command::new("git")
            .arg("-C")
            .arg(self.folder)
            .args(["cat-file", "--batch"])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .map_err(GitError::Start)?;
        let mut requests = git.stdin.take().expect("it is piped");
        let objects: String = wanted
            .iter()
            .map(|(object, _)| format!("{object}\n"))
            .collect();
        // Both pipes are finite: whoever asks for all before reading any waits for ever.
        let asking = thread::spawn(move || requests.write_all(objects.as_bytes()));
        let mut answers = BufReader::new(git.stdout.take().expect("it is piped"));
        let read = read_objects(&mut answers, wanted);
        drop(answers);
        let _ = asking.join();
        let output = git.wait_with_output().map_err(GitError::Start)?;
        match read {
            Ok(files) => Ok(files),
            Err(_) if !output.stderr.is_empty() => Err(GitError::Failed(said(&output.stderr))),
            Err(error) => Err(GitError::Failed(format!("`git cat-file`: {error}"))),
        }
    }
}

/// Reads what `git cat-file --batch` answers: `<object> blob <size>\n<contents>\n` for each.
fn read_objects(
    answers: &mut impl BufRead,
    wanted: Vec<(String, String)>,
) -> std::io::Result<BTreeMap<String, Vec<u8>>> {
    let mut files = BTreeMap::new();
    for (_, path) in wanted {
        let mut head = String::new();
        answers.read_line(&mut head)?;
        let size = head.trim_end().rsplit(' ').next().map(str::parse);
        let Some(Ok(size)) = size else {
            return Err(std::io::Error::other(format!(
                "unexpected `{}`",
                head.trim_end()
            )));
        };
        let mut contents = vec![0; size];
        answers.read_exact(&mut contents)?;
        answers.read_exact(&mut [0])?;
        files.insert(path, contents);
    }
    Ok(files)
}

/// The last line that git says, without its `fatal:`.
pub fn said(stderr: &[u8]) -> String {
    let text = String::from_utf8_lossy(stderr);
    let line = text.lines().last().unwrap_or("it failed without a word");
    line.trim_start_matches("fatal: ").to_owned()
}
