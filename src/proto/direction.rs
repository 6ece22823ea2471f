//! Characters that turn the direction of text around: rustc refuses them in comments, for they can make code
//! look like other code.
//!
//! Pure: descriptors in, descriptors out.

use prost_types::FileDescriptorProto;

/// Takes them out of the comments of a file, which become those of its code.
pub fn straighten(file: &mut FileDescriptorProto) {
    let locations = file.source_code_info.iter_mut();
    for location in locations.flat_map(|it| &mut it.location) {
        let comments = [
            &mut location.leading_comments,
            &mut location.trailing_comments,
        ];
        let comments = comments.into_iter().flatten();
        for comment in comments.chain(&mut location.leading_detached_comments) {
            if comment.contains(turns) {
                *comment = comment.replace(turns, "");
            }
        }
    }
}

/// See rustc's lint `text_direction_codepoint_in_comment`.
fn turns(one: char) -> bool {
    matches!(one, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}
