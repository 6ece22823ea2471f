//! The pieces that generated code is made of. Each is laid out once and by itself, on all
//! processors: that is most of the work.
//!
//! Pure: no I/O.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

/// A piece of a module.
#[derive(Debug)]
pub enum Piece {
    /// Rust as prost writes it, not laid out.
    Items(String),
    /// The client of a service.
    Client(prost_build::Service),
    /// The server of a service.
    Server(prost_build::Service),
}

/// The text of each piece; clients with or without what connects them by tonic's transport.
pub fn render_all(pieces: &[Piece], has_transport: bool) -> Vec<String> {
    let texts: Vec<OnceLock<String>> = pieces.iter().map(|_| OnceLock::new()).collect();
    let next = AtomicUsize::new(0);
    let work = || {
        while let Some(place) = Some(next.fetch_add(1, Ordering::Relaxed))
            && let Some(piece) = pieces.get(place)
        {
            let text = texts[place].set(render(piece, has_transport));
            text.expect("a piece is rendered once");
        }
    };
    let processors = thread::available_parallelism().map_or(1, usize::from);
    thread::scope(|scope| {
        for _ in 1..processors.min(pieces.len()) {
            scope.spawn(work);
        }
        work();
    });
    let texts = texts.into_iter().map(OnceLock::into_inner);
    texts.map(|text| text.expect("it is rendered")).collect()
}

fn render(piece: &Piece, has_transport: bool) -> String {
    let builder = tonic_prost_build::configure().build_transport(has_transport);
    let (builder, service) = match piece {
        Piece::Items(items) if items.trim().is_empty() => return String::new(),
        Piece::Items(items) => {
            let file = syn::parse_file(items).expect("prost writes valid Rust");
            return prettyplease::unparse(&file);
        }
        Piece::Client(service) => (builder.build_server(false), service),
        Piece::Server(service) => (builder.build_client(false), service),
    };
    let mut text = String::new();
    let mut generator = builder.service_generator();
    generator.generate(service.clone(), &mut text);
    text
}
