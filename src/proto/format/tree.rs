//! From tokens to statements: as much of the grammar as the layout needs. Whether the proto makes sense
//! is for the compiler to say.

use crate::proto::format::lex::{Kind, LexError, Token};

/// A statement: parts up to a semicolon, or a head and a block.
#[derive(Debug)]
pub struct Statement<'a> {
    /// What stands before the semicolon or the block.
    pub parts: Vec<Part<'a>>,
    /// How it ends.
    pub end: StatementEnd<'a>,
}

/// How a statement ends.
#[derive(Debug)]
pub enum StatementEnd<'a> {
    /// With `;`.
    Semicolon(Token<'a>),
    /// With statements in braces.
    Block(Block<'a>),
}

/// Statements in braces.
#[derive(Debug)]
pub struct Block<'a> {
    /// `{`
    pub open: Token<'a>,
    /// What is in it.
    pub statements: Vec<Statement<'a>>,
    /// `}`
    pub close: Token<'a>,
}

/// A part of a statement.
#[derive(Debug)]
pub enum Part<'a> {
    /// A token.
    Token(Token<'a>),
    /// Options in brackets.
    Options(Group<'a, Entry<'a>>),
    /// A message as a value.
    Message(Group<'a, Entry<'a>>),
    /// A list as a value.
    List(Group<'a, Vec<Part<'a>>>),
}

/// Something in brackets or braces, with what separates its items.
#[derive(Debug)]
pub struct Group<'a, T> {
    /// What opens it.
    pub open: Token<'a>,
    /// The items, each with the separator behind it, where there is one.
    pub items: Vec<(T, Option<Token<'a>>)>,
    /// What closes it.
    pub close: Token<'a>,
}

/// A name with a value.
#[derive(Debug)]
pub struct Entry<'a> {
    /// The name.
    pub name: Vec<Token<'a>>,
    /// `=` or `:`; may be missing before a message.
    pub sign: Option<Token<'a>>,
    /// The value; texts that follow each other are one.
    pub value: Vec<Part<'a>>,
}

/// A file.
#[derive(Debug)]
pub struct Tree<'a> {
    /// The statements.
    pub statements: Vec<Statement<'a>>,
    /// The end, with the comments before it.
    pub end: Token<'a>,
}

/// Builds the statements of a file.
///
/// # Errors
/// [`LexError`] when brackets do not match or a statement does not end.
pub fn build(tokens: Vec<Token<'_>>) -> Result<Tree<'_>, LexError> {
    let mut builder = Builder {
        tokens: tokens.into_iter().peekable(),
    };
    let mut statements = Vec::new();
    while builder.peek().kind != Kind::End {
        statements.extend(builder.statement()?);
    }
    Ok(Tree {
        statements,
        end: builder.next(),
    })
}

struct Builder<'a> {
    tokens: std::iter::Peekable<std::vec::IntoIter<Token<'a>>>,
}

impl<'a> Builder<'a> {
    fn peek(&mut self) -> &Token<'a> {
        self.tokens.peek().expect("the end is never taken before")
    }

    fn next(&mut self) -> Token<'a> {
        self.tokens.next().expect("the end is never taken before")
    }

    fn fails<T>(&mut self, message: &'static str) -> Result<T, LexError> {
        Err(LexError {
            offset: self.peek().offset,
            message,
        })
    }

    /// The next statement; nothing for an empty one whose semicolon has no comments.
    fn statement(&mut self) -> Result<Option<Statement<'a>>, LexError> {
        let mut parts = Vec::new();
        loop {
            let has_sign = matches!(parts.last(), Some(Part::Token(it)) if is(it, "="));
            match (self.peek().kind, self.peek().text) {
                (Kind::End, _) => return self.fails("the statement does not end"),
                (Kind::Mark, ";") => {
                    let semicolon = self.next();
                    let is_bare = semicolon.leading.is_empty() && semicolon.trailing.is_empty();
                    if parts.is_empty() && is_bare {
                        return Ok(None);
                    }
                    let end = StatementEnd::Semicolon(semicolon);
                    return Ok(Some(Statement { parts, end }));
                }
                (Kind::Mark, "{") if has_sign => parts.push(Part::Message(self.message("}")?)),
                (Kind::Mark, "<") if has_sign => parts.push(Part::Message(self.message(">")?)),
                (Kind::Mark, "[") if has_sign => parts.push(Part::List(self.list()?)),
                (Kind::Mark, "{") if parts.is_empty() => return self.fails("unexpected `{`"),
                (Kind::Mark, "{") => {
                    let end = StatementEnd::Block(self.block()?);
                    return Ok(Some(Statement { parts, end }));
                }
                (Kind::Mark, "[") => parts.push(Part::Options(self.options()?)),
                (Kind::Mark, "}") => return self.fails("unexpected `}`"),
                (Kind::Mark, "]") => return self.fails("unexpected `]`"),
                _ => parts.push(Part::Token(self.next())),
            }
        }
    }

    fn block(&mut self) -> Result<Block<'a>, LexError> {
        let open = self.next();
        let mut statements = Vec::new();
        loop {
            match (self.peek().kind, self.peek().text) {
                (Kind::End, _) => {
                    return Err(LexError {
                        offset: open.offset,
                        message: "the block does not end",
                    });
                }
                (Kind::Mark, "}") => {
                    let close = self.next();
                    return Ok(Block {
                        open,
                        statements,
                        close,
                    });
                }
                _ => statements.extend(self.statement()?),
            }
        }
    }

    fn options(&mut self) -> Result<Group<'a, Entry<'a>>, LexError> {
        let open = self.next();
        let mut items = Vec::new();
        loop {
            if self.peek().text == "]" {
                let close = self.next();
                return Ok(Group { open, items, close });
            }
            let mut name = Vec::new();
            while !matches!(self.peek().text, "=" | "," | "]" | ";" | "{" | "}")
                && self.peek().kind != Kind::End
            {
                name.push(self.next());
            }
            if self.peek().text != "=" {
                return self.fails("expected `=`");
            }
            let sign = Some(self.next());
            let value = self.value()?;
            let separator = self.separator(&[","]);
            if separator.is_none() && self.peek().text != "]" {
                return self.fails("expected `,` or `]`");
            }
            items.push((Entry { name, sign, value }, separator));
        }
    }

    fn message(&mut self, closing: &str) -> Result<Group<'a, Entry<'a>>, LexError> {
        let open = self.next();
        let mut items = Vec::new();
        loop {
            if self.peek().text == closing {
                let close = self.next();
                return Ok(Group { open, items, close });
            }
            let mut name = Vec::new();
            if self.peek().text == "[" {
                // An extension or a type in brackets is one name.
                while self.peek().text != "]" && self.peek().kind != Kind::End {
                    name.push(self.next());
                }
                if self.peek().kind == Kind::End {
                    return self.fails("expected `]`");
                }
                name.push(self.next());
            } else if self.peek().kind == Kind::Word {
                name.push(self.next());
            } else {
                return self.fails("expected the name of a field");
            }
            let sign = match self.peek().text {
                ":" => Some(self.next()),
                "{" | "<" => None,
                _ => return self.fails("expected `:`"),
            };
            let value = self.value()?;
            let separator = self.separator(&[",", ";"]);
            items.push((Entry { name, sign, value }, separator));
        }
    }

    fn list(&mut self) -> Result<Group<'a, Vec<Part<'a>>>, LexError> {
        let open = self.next();
        let mut items = Vec::new();
        loop {
            if self.peek().text == "]" {
                let close = self.next();
                return Ok(Group { open, items, close });
            }
            let value = self.value()?;
            let separator = self.separator(&[","]);
            if separator.is_none() && self.peek().text != "]" {
                return self.fails("expected `,` or `]`");
            }
            items.push((value, separator));
        }
    }

    fn separator(&mut self, separators: &[&str]) -> Option<Token<'a>> {
        match separators.contains(&self.peek().text) {
            true => Some(self.next()),
            false => None,
        }
    }

    fn value(&mut self) -> Result<Vec<Part<'a>>, LexError> {
        match (self.peek().kind, self.peek().text) {
            (Kind::Mark, "{") => Ok(vec![Part::Message(self.message("}")?)]),
            (Kind::Mark, "<") => Ok(vec![Part::Message(self.message(">")?)]),
            (Kind::Mark, "[") => Ok(vec![Part::List(self.list()?)]),
            (Kind::Mark, "-" | "+") => {
                let sign = self.next();
                match self.peek().kind {
                    Kind::Word => Ok(vec![Part::Token(sign), Part::Token(self.next())]),
                    _ => self.fails("expected a number"),
                }
            }
            (Kind::Word, _) => Ok(vec![Part::Token(self.next())]),
            (Kind::Text, _) => {
                let mut texts = Vec::new();
                while self.peek().kind == Kind::Text {
                    texts.push(Part::Token(self.next()));
                }
                Ok(texts)
            }
            _ => self.fails("expected a value"),
        }
    }
}

/// Whether a token is this mark or word, and no text.
pub fn is(token: &Token<'_>, text: &str) -> bool {
    token.kind != Kind::Text && token.text == text
}

impl<'a> Statement<'a> {
    /// Its first token.
    pub fn first(&self) -> &Token<'a> {
        match (self.parts.first(), &self.end) {
            (Some(part), _) => part.first(),
            (None, StatementEnd::Semicolon(semicolon)) => semicolon,
            (None, StatementEnd::Block(block)) => &block.open,
        }
    }

    /// Its first token, to change the comments before it.
    pub fn first_mut(&mut self) -> &mut Token<'a> {
        match (self.parts.first_mut(), &mut self.end) {
            (Some(Part::Token(token)), _) => token,
            (Some(Part::Options(group) | Part::Message(group)), _) => &mut group.open,
            (Some(Part::List(group)), _) => &mut group.open,
            (None, StatementEnd::Semicolon(semicolon)) => semicolon,
            (None, StatementEnd::Block(block)) => &mut block.open,
        }
    }

    /// The tokens of its head, as far as the first value or the first options.
    pub fn words(&self) -> impl Iterator<Item = &'a str> + '_ {
        self.parts.iter().map_while(|part| match part {
            Part::Token(token) => Some(token.text),
            _ => None,
        })
    }
}

impl<'a> Part<'a> {
    /// Its first token.
    pub fn first(&self) -> &Token<'a> {
        match self {
            Self::Token(token) => token,
            Self::Options(group) | Self::Message(group) => &group.open,
            Self::List(group) => &group.open,
        }
    }
}
