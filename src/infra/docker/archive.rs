//! Files as the engine takes them: a tar archive of regular files.
//!
//! Pure: text in, bytes out. A format of one fixed header a file needs no library.

use std::collections::BTreeMap;

/// The size of a header, and what contents are filled up to.
const BLOCK: usize = 512;

/// An archive of these files by their absolute paths, readable by everybody.
///
/// # Panics
/// When a path is longer than a header has room for: the paths are ours.
pub fn tar(files: &BTreeMap<String, String>) -> Vec<u8> {
    let mut archive = Vec::new();
    for (path, text) in files {
        archive.extend(header(path.trim_start_matches('/'), text.len()));
        archive.extend(text.as_bytes());
        archive.resize(archive.len().next_multiple_of(BLOCK), 0);
    }
    archive.resize(archive.len() + 2 * BLOCK, 0);
    archive
}

/// A header in the format of POSIX.1-1988 (ustar).
fn header(path: &str, size: usize) -> [u8; BLOCK] {
    let mut header = [0; BLOCK];
    let mut put = |at: usize, bytes: &[u8]| header[at..at + bytes.len()].copy_from_slice(bytes);
    assert!(path.len() < 100, "{path} is too long");
    put(0, path.as_bytes());
    put(100, b"0000644\0");
    put(108, b"0000000\0");
    put(116, b"0000000\0");
    put(124, format!("{size:011o}\0").as_bytes());
    put(136, b"00000000000\0");
    // The sum is made as if it were blank itself.
    put(148, b"        ");
    put(156, b"0");
    put(257, b"ustar\x0000");
    let sum: u32 = header.iter().map(|byte| u32::from(*byte)).sum();
    header[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
    header
}

#[cfg(test)]
mod tests {
    use std::io::Write;
    use std::process::{Command, Stdio};

    use super::*;

    #[test]
    fn tar_reads_what_is_written() {
        let files = BTreeMap::from([
            ("/etc/a/b.yml".to_owned(), "x".repeat(513)),
            ("/etc/empty".to_owned(), String::new()),
        ]);
        let mut command = Command::new("tar");
        command.args(["--list", "--verbose", "--utc", "--file", "-"]);
        command.stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = command.env("LC_ALL", "C").spawn().expect("tar is there");
        let mut input = child.stdin.take().expect("piped");
        input.write_all(&tar(&files)).expect("tar reads");
        drop(input);
        let output = child.wait_with_output().expect("tar ends");
        assert!(output.status.success());
        assert_eq!(
            String::from_utf8(output.stdout).expect("text"),
            "-rw-r--r-- 0/0             513 1970-01-01 00:00 etc/a/b.yml\n\
             -rw-r--r-- 0/0               0 1970-01-01 00:00 etc/empty\n"
        );
    }
}
