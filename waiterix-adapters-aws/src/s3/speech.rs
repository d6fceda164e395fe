//! The keys of spoken words: recordings on their way to the transcription service, its answers, and greetings.

use sha2::{Digest as _, Sha256};
use waiterix_domain::Timestamp;
use waiterix_domain::id::RestaurantId;
use waiterix_ports::signed_url::encode_key;
use waiterix_ports::{BlobStore, Result};

/// The `Cache-Control` of greetings.
pub const GREETING_CACHE_CONTROL: &str = "public, max-age=604800";
/// The content type of greetings.
pub const GREETING_TYPE: &str = "audio/mpeg";

/// The formats that the transcription service takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum AudioFormat {
    /// MP3.
    Mp3,
    /// MPEG-4.
    Mp4,
    /// WAV.
    Wav,
    /// FLAC.
    Flac,
    /// Ogg.
    Ogg,
    /// AMR.
    Amr,
    /// WebM.
    Webm,
}

impl AudioFormat {
    /// Every format.
    pub const ALL: &'static [Self] =
        &[Self::Mp3, Self::Mp4, Self::Wav, Self::Flac, Self::Ogg, Self::Amr, Self::Webm];

    /// Its name, which the transcription service takes and which ends the key.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Mp3 => "mp3",
            Self::Mp4 => "mp4",
            Self::Wav => "wav",
            Self::Flac => "flac",
            Self::Ogg => "ogg",
            Self::Amr => "amr",
            Self::Webm => "webm",
        }
    }

    /// The content type of a recording.
    #[must_use]
    pub fn content_type(self) -> String {
        format!("audio/{}", self.as_str())
    }
}

/// The two objects of one transcription. Both keys start with a folder of their own, so that a rule of the bucket can
/// end what a crash left behind.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Transcription {
    /// The name of the job at the transcription service.
    pub job: String,
    /// The key of the recording.
    pub recording: String,
    /// The key of the answer, which the transcription service writes.
    pub transcript: String,
}

impl Transcription {
    /// The keys of a recording made at an instant; `random` keeps those of one millisecond apart.
    #[must_use]
    pub fn new(at: Timestamp, random: u64, format: AudioFormat) -> Self {
        let job = format!("transcribe-{}-{random:016x}", at.as_millis());
        Self {
            recording: format!("audio/{job}.{}", format.as_str()),
            transcript: format!("transcripts/{job}.json"),
            job,
        }
    }

    /// Deletes what is no longer needed: both objects once the transcript was read, else the recording alone, because the
    /// answer tells what went wrong. Both are tried even when one fails.
    ///
    /// # Errors
    /// As [`BlobStore::delete`]; the first failure.
    pub async fn clear(&self, store: &dyn BlobStore, was_read: bool) -> Result<()> {
        let recording = store.delete(&self.recording).await;
        let transcript = if was_read { store.delete(&self.transcript).await } else { Ok(()) };
        recording.and(transcript)
    }
}

/// The key of a spoken greeting. It depends on the words, so that other words are never answered with an old recording
/// (B18 of the old system); `language` is a tag such as `en` or `pt-BR`.
#[must_use]
pub fn greeting_key(restaurant: &RestaurantId, language: &str, words: &str) -> String {
    let digest = Sha256::digest(words.as_bytes());
    let hash: String = digest.iter().take(16).map(|byte| format!("{byte:02x}")).collect();
    format!("greetings/{}/{}/{hash}.mp3", segment(restaurant.as_str()), segment(language))
}

/// A text as one segment of a key.
fn segment(text: &str) -> String {
    encode_key(text).replace('/', "%2F").replace('.', "%2E")
}

#[cfg(test)]
mod tests {
    use waiterix_ports::blob::is_key;

    use super::*;

    #[test]
    fn transcriptions_have_the_keys_of_the_old_system() {
        let at = Timestamp::from_millis(1_738_314_307_123).unwrap();
        let keys = Transcription::new(at, 0xabc, AudioFormat::Webm);
        assert_eq!(keys.recording, "audio/transcribe-1738314307123-0000000000000abc.webm");
        assert_eq!(keys.transcript, "transcripts/transcribe-1738314307123-0000000000000abc.json");
        assert_ne!(keys, Transcription::new(at, 0xabd, AudioFormat::Webm));
        for format in AudioFormat::ALL {
            assert_eq!(format.content_type(), format!("audio/{}", format.as_str()));
        }
    }

    /// **B18** of the old system: a prefix of the name was the key.
    #[test]
    fn other_words_have_another_greeting() {
        let restaurant = RestaurantId::from("r1");
        let key = greeting_key(&restaurant, "en", "Welcome to the Old Mill!");
        assert!(key.starts_with("greetings/r1/en/") && key.ends_with(".mp3"), "{key}");
        assert_eq!(key, greeting_key(&restaurant, "en", "Welcome to the Old Mill!"));
        assert_ne!(key, greeting_key(&restaurant, "en", "Welcome to the Old Mill Inn!"));
        assert_ne!(key, greeting_key(&restaurant, "fr", "Welcome to the Old Mill!"));
        for hostile in ["../..", "a/b", ".", "..", "", "\n"] {
            let key = greeting_key(&RestaurantId::from(hostile), hostile, "x");
            assert!(is_key(&key) && key.matches('/').count() == 3, "{key}");
        }
    }
}
