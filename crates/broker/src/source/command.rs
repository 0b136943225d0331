//! Values that a program prints: the command lines of password managers.

use std::ffi::OsStr;
use std::process::Stdio;
use std::time::Duration;

use secrecy::SecretString;
use tokio::io::AsyncReadExt as _;
use tokio::process::Command;
use zeroize::Zeroizing;

use super::{VALUE_BYTES_MAX, value_of};

/// How long a program may take.
const WAIT: Duration = Duration::from_secs(15);

/// Runs the program and takes what it prints. It sees no environment but where programs and its home are.
pub(super) async fn read(words: &[String], search_path: &OsStr) -> Result<SecretString, String> {
    let [program, arguments @ ..] = words else {
        return Err("it names no program".to_owned());
    };
    let mut command = Command::new(program);
    command
        .args(arguments)
        .env_clear()
        .env("PATH", search_path)
        .env("LANG", "C.UTF-8")
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .kill_on_drop(true);
    if let Some(home) = std::env::var_os("HOME") {
        command.env("HOME", home);
    }
    let mut child = command.spawn().map_err(|error| error.to_string())?;
    let mut printed = Zeroizing::new(Vec::with_capacity(4096));
    let reading = async {
        if let Some(stdout) = child.stdout.take() {
            stdout
                .take(VALUE_BYTES_MAX as u64 + 1)
                .read_to_end(&mut printed)
                .await
                .map_err(|error| error.to_string())?;
        }
        child.wait().await.map_err(|error| error.to_string())
    };
    let status = tokio::time::timeout(WAIT, reading)
        .await
        .map_err(|_| format!("the program did not end within {} s", WAIT.as_secs()))??;
    if !status.success() {
        return Err(format!("the program ended with {status}"));
    }
    value_of(&printed)
}

#[cfg(test)]
mod tests {
    use secrecy::ExposeSecret as _;

    use super::*;

    fn words(text: &str) -> Vec<String> {
        text.split(' ').map(str::to_owned).collect()
    }

    #[tokio::test]
    async fn what_a_program_prints_is_the_value() {
        let path = OsStr::new("/usr/bin:/bin");
        let value = read(&words("echo s3cret"), path).await.unwrap();
        assert_eq!(value.expose_secret(), "s3cret");
        assert!(
            read(&words("false"), path)
                .await
                .unwrap_err()
                .contains("ended with")
        );
        assert!(read(&words("true"), path).await.unwrap_err().contains("empty"));
        assert!(read(&words("no-such-program-here"), path).await.is_err());
        assert!(read(&[], path).await.is_err());
        let spaced = ["printf", "%s", "My Vault"].map(str::to_owned);
        let value = read(&spaced, path).await.unwrap();
        assert_eq!(value.expose_secret(), "My Vault", "one argument, blank and all");
    }
}
