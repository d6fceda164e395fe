//! A client of the service, over real sockets.

use std::path::Path;
use std::time::{Duration, Instant};

use reqwest::{Method, Response};
use serde_json::{Value, json};
use url::Url;

/// A builder of HTTP clients. They speak plain HTTP here, but the library wants to know a TLS provider all the same.
pub fn http_client() -> reqwest::ClientBuilder {
    // Harmless when another part of the process has installed one already.
    let _ = rustls::crypto::ring::default_provider().install_default();
    reqwest::Client::builder()
}

/// A client, signed in or not.
#[derive(Debug, Clone)]
pub struct Client {
    http: reqwest::Client,
    base: Url,
    cookie: Option<String>,
    /// As it was set, with its attributes.
    set_cookie: Option<String>,
}

impl Client {
    /// A stranger.
    pub fn new(base: &Url) -> Self {
        let http = http_client().timeout(Duration::from_secs(30)).build().expect("a client");
        Self { http, base: base.clone(), cookie: None, set_cookie: None }
    }

    /// The same person at another address of the service.
    #[must_use]
    pub fn moved_to(self, base: &Url) -> Self {
        Self { base: base.clone(), ..self }
    }

    /// Signs in with a code from the mail folder, as a person would.
    pub async fn signed_in(base: &Url, data: &Path, email: &str) -> Self {
        let mut client = Self::new(base);
        client.post("/api/auth/code", &json!({ "email": email })).await;
        let code = newest_code(&data.join("mail"), email);
        client.sign_in(email, &code).await;
        client
    }

    /// Signs in with a code that was mailed.
    pub async fn sign_in(&mut self, email: &str, code: &str) {
        let response = self
            .send(Method::POST, "/api/auth/code/verify", Some(&json!({ "email": email, "code": code })))
            .await;
        assert_eq!(response.status(), 200);
        let set = response.headers()["set-cookie"].to_str().expect("text");
        self.cookie = set.split(';').next().map(str::to_owned);
        self.set_cookie = Some(set.to_owned());
    }

    /// The `Cookie` header.
    pub fn cookie(&self) -> &str {
        self.cookie.as_deref().expect("signed in")
    }

    /// The `Set-Cookie` header of signing in.
    pub fn cookie_as_set(&self) -> &str {
        self.set_cookie.as_deref().expect("signed in")
    }

    /// Sends a request and answers the response, whatever its status.
    pub async fn send(&self, method: Method, path: &str, body: Option<&Value>) -> Response {
        self.send_with(method, path, &[], body).await
    }

    /// The same with more headers.
    pub async fn send_with(
        &self,
        method: Method,
        path: &str,
        headers: &[(&str, &str)],
        body: Option<&Value>,
    ) -> Response {
        let url = self.base.join(path).expect("a path");
        let mut request = self.http.request(method, url);
        if let Some(cookie) = &self.cookie {
            request = request.header("cookie", cookie);
        }
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        if let Some(body) = body {
            request = request.header("content-type", "application/json").body(body.to_string());
        }
        request.send().await.expect("an answer")
    }

    /// Reads JSON; any status but 2xx is a failure.
    pub async fn get(&self, path: &str) -> Value {
        read(self.send(Method::GET, path, None).await).await
    }

    /// Reads text; any status but 2xx is a failure.
    pub async fn get_text(&self, path: &str) -> String {
        let response = self.send(Method::GET, path, None).await;
        let status = response.status();
        let text = response.text().await.expect("a body");
        assert!(status.is_success(), "{path}: {status} {text}");
        text
    }

    /// Posts JSON; any status but 2xx is a failure.
    pub async fn post(&self, path: &str, body: &Value) -> Value {
        read(self.send(Method::POST, path, Some(body)).await).await
    }

    /// Puts JSON; any status but 2xx is a failure.
    pub async fn put(&self, path: &str, body: &Value) -> Value {
        read(self.send(Method::PUT, path, Some(body)).await).await
    }
}

async fn read(response: Response) -> Value {
    let (status, url) = (response.status(), response.url().clone());
    let text = response.text().await.expect("a body");
    assert!(status.is_success(), "{url}: {status} {text}");
    serde_json::from_str(&text).expect("JSON")
}

/// The code in the newest mail to an address.
fn newest_code(folder: &Path, address: &str) -> String {
    let deadline = Instant::now() + Duration::from_secs(10);
    loop {
        let mut mails: Vec<_> = std::fs::read_dir(folder)
            .expect("the mail folder")
            .filter_map(|entry| entry.ok().map(|entry| entry.path()))
            .filter(|path| path.extension().is_some_and(|extension| extension == "eml"))
            .collect();
        mails.sort();
        let found = mails.iter().rev().find_map(|path| {
            let text = std::fs::read_to_string(path).ok()?;
            let (headers, body) = text.split_once("\r\n\r\n").or_else(|| text.split_once("\n\n"))?;
            headers.contains(address).then(|| code_in(body)).flatten()
        });
        if let Some(code) = found {
            return code;
        }
        assert!(Instant::now() < deadline, "no code in {}", folder.display());
        std::thread::park_timeout(Duration::from_millis(10));
    }
}

/// The sign-in code in the text of a mail.
pub fn code_in(text: &str) -> Option<String> {
    let (_, rest) = text.split_once("Your code is ")?;
    let code: String = rest.chars().take_while(char::is_ascii_digit).collect();
    (code.len() == 6).then_some(code)
}
