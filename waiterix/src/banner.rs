//! What the command line says to the person who started it.

use std::io::{self, Write as _};
use std::path::Path;

use url::Url;

/// Prints to standard output. A reader who has gone away is no reason to stop.
pub(crate) fn say(text: &str) {
    let mut output = io::stdout().lock();
    let _ = writeln!(output, "{text}").and_then(|()| output.flush());
}

/// Prints to standard error.
pub(crate) fn complain(text: &str) {
    let _ = writeln!(io::stderr(), "waiterix: {text}");
}

/// What is served where, for the person who started it.
pub(crate) fn greeting(base: &Url, data: &Path, sign_in_by_code: bool) -> String {
    let at = |path: &str| base.join(path).map_or_else(|_| path.to_owned(), |url| url.to_string());
    let sign_in = if sign_in_by_code {
        format!(
            "POST {} {{\"email\": …}}, then the code from the mail to {}",
            at("/api/auth/code"),
            at("/api/auth/code/verify")
        )
    } else {
        format!("POST {} {{\"idToken\": …}} with a token of your identity provider", at("/api/auth/verify"))
    };
    format!(
        "Waiterix {version} is serving {base}

  API page      {docs}
  Demo          {demo}
  Demo menu     {menu}
  Sign in       {sign_in}
  Mail goes to  {mail}
  Data          {data}

  Ctrl-C stops it; running requests are finished.",
        version = waiterix_app::settings::VERSION,
        docs = at("/docs"),
        demo = at("/api/public/restaurant/demo"),
        menu = at("/api/menu-items?restaurantId=demo"),
        mail = data.join("mail").display(),
        data = data.display(),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_greeting_names_page_demo_sign_in_and_mail() {
        let base = Url::parse("http://127.0.0.1:8080").unwrap();
        let text = greeting(&base, Path::new("waiterix-data"), true);
        for part in [
            "http://127.0.0.1:8080/docs",
            "http://127.0.0.1:8080/api/public/restaurant/demo",
            "http://127.0.0.1:8080/api/auth/code/verify",
            "waiterix-data/mail",
        ] {
            assert!(text.contains(part), "{part} in {text}");
        }
        assert!(greeting(&base, Path::new("d"), false).contains("idToken"));
    }
}
