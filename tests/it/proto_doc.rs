//! `msvc proto doc`: Markdown and a page, out of protos and their comments.

use std::fs;

use crate::support::{Sandbox, fixtures};

#[test]
fn a_document_has_all_that_protos_define_and_say() {
    let folder = fixtures::folder("doc");
    let sandbox = Sandbox::new();
    fixtures::copy(&folder.join("in"), &sandbox.path());
    let output = sandbox.msvc(["proto", "doc", "--title", "Pets"]);
    let page = output
        .strip_prefix("exit: 0\n--- stdout ---\n")
        .expect("a document");
    fixtures::assert_snapshot(&folder, "markdown", page);
    let output = sandbox.msvc(["proto", "doc", "--title", "Pets <3", "-o", "pets.html"]);
    assert_eq!(output, "exit: 0\n--- stderr ---\n       Wrote pets.html\n");
    let page = fs::read_to_string(sandbox.path().join("pets.html")).expect("there");
    fixtures::assert_snapshot(&folder, "page", &page);
    assert!(
        page.contains("&lt;b&gt;bold&lt;/b&gt;"),
        "comments are text, not markup"
    );
    assert!(!page.contains("http"), "nothing is fetched");
}

#[test]
fn every_link_of_a_page_leads_somewhere() {
    let sandbox = Sandbox::new();
    fixtures::copy(&fixtures::folder("doc").join("in"), &sandbox.path());
    sandbox.msvc(["proto", "doc", "-o", "pets.html"]);
    let page = fs::read_to_string(sandbox.path().join("pets.html")).expect("there");
    let links: Vec<&str> = page
        .split("href=\"#")
        .skip(1)
        .filter_map(|rest| rest.split('"').next())
        .collect();
    assert!(links.len() > 10, "{links:?}");
    for link in links {
        assert!(page.contains(&format!("id=\"{link}\"")), "{link}");
    }
}
