//! `msvc completions`: the script that makes a shell complete `msvc`.
//!
//! The scripts only register `msvc` itself as the source of completions, so services and methods of
//! the workspace at hand are offered beside the flags, and a script never goes stale.

use clap::{Args, ValueEnum};
use clap_complete::env::{Bash, Elvish, EnvCompleter, Fish, Powershell, Zsh};

use crate::context::Context;
use crate::error::Result;

/// Arguments of `msvc completions`.
#[derive(Args, Debug)]
#[command(after_help = "Examples:\n  \
    msvc completions bash > ~/.local/share/bash-completion/completions/msvc\n  \
    msvc completions zsh  > ~/.zfunc/_msvc\n  \
    msvc completions fish > ~/.config/fish/completions/msvc.fish")]
pub struct CompletionsArgs {
    /// The shell to complete in.
    #[arg(value_enum)]
    pub shell: Shell,
}

/// The shells that completion is offered in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Shell {
    /// GNU Bash.
    Bash,
    /// Z shell.
    Zsh,
    /// fish.
    Fish,
    /// PowerShell.
    Powershell,
    /// Elvish.
    Elvish,
}

/// Runs `msvc completions`.
///
/// # Errors
/// When stdout cannot be written to.
pub fn run(context: &Context, args: CompletionsArgs) -> Result {
    context.printer.data(&script(args.shell))
}

/// The registration script of one shell.
pub fn script(shell: Shell) -> String {
    let completer: &dyn EnvCompleter = match shell {
        Shell::Bash => &Bash,
        Shell::Zsh => &Zsh,
        Shell::Fish => &Fish,
        Shell::Powershell => &Powershell,
        Shell::Elvish => &Elvish,
    };
    let mut script = Vec::new();
    completer
        .write_registration("COMPLETE", "msvc", "msvc", "msvc", &mut script)
        .expect("writing to memory does not fail");
    String::from_utf8(script).expect("completion scripts are text")
}
