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

/// Says what is served where.
pub(crate) fn greet(base: &Url, data: &Path, sign_in_by_code: bool) {
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
    say(&format!(
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
    ));
}
