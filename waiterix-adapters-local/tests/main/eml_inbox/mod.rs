//! A folder of mails as an inbox: every mail is read back from its file by a MIME parser. Tests of other crates that put
//! something around the folder, or beside it, include this file too.

use std::path::PathBuf;

use async_trait::async_trait;
use mail_parser::{Address, MessageParser};
use waiterix_contract::mailer::{Inbox, Received};

pub(crate) struct Folder(pub(crate) PathBuf);

fn addresses(address: Option<&Address<'_>>) -> Vec<String> {
    let list = address.into_iter().flat_map(|address| address.iter());
    list.filter_map(|one| one.address().map(str::to_owned)).collect()
}

#[async_trait]
impl Inbox for Folder {
    async fn messages(&self) -> Vec<Received> {
        let files = std::fs::read_dir(&self.0).unwrap().map(|entry| entry.unwrap().path());
        let letters = files.filter(|path| path.extension().is_some_and(|extension| extension == "eml"));
        letters
            .map(|path| {
                let bytes = std::fs::read(path).unwrap();
                let letter = MessageParser::default().parse(&bytes).unwrap();
                Received {
                    to: addresses(letter.to()),
                    reply_to: addresses(letter.reply_to()).into_iter().next(),
                    subject: letter.subject().unwrap_or_default().to_owned(),
                    html: letter.body_html(0).unwrap().replace("\r\n", "\n"),
                    text: letter.body_text(0).unwrap().replace("\r\n", "\n"),
                }
            })
            .collect()
    }
}
