//! Bodies, taken in whole before anything is decided: in memory while small, then in a file that has no name.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Cursor, Read, Write};
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::sync::Arc;

use aws_lc_rs::digest::{Context, SHA256};
use bytes::Bytes;

/// Longest body kept in memory, in bytes.
const MEMORY_BYTES_MAX: usize = 4 * 1024 * 1024;
/// Longest body taken from an agent, in bytes, unpacked too.
pub const BODY_BYTES_MAX: u64 = 512 * 1024 * 1024;
/// What a body may unpack to for each byte that came, beyond the first megabyte.
const RATIO_MAX: u64 = 200;

/// A body being taken in.
pub struct Spool {
    memory: Vec<u8>,
    file: Option<File>,
    len: u64,
    hash: Context,
}

/// Why a body was not taken in.
#[derive(Debug, thiserror::Error)]
pub enum SpoolError {
    /// It is too long.
    #[error("the body is longer than {BODY_BYTES_MAX} bytes")]
    TooLong,
    /// It unpacks to far more than it is.
    #[error("the body unpacks to more than {RATIO_MAX} times its length")]
    Bomb,
    /// It is not what its encoding says.
    #[error("the body is not what its encoding says: {0}")]
    Encoding(String),
    /// It cannot be kept here.
    #[error("the body cannot be kept: {0}")]
    Io(#[from] io::Error),
}

impl Default for Spool {
    fn default() -> Self {
        Self {
            memory: Vec::new(),
            file: None,
            len: 0,
            hash: Context::new(&SHA256),
        }
    }
}

impl Spool {
    /// Takes in one piece.
    ///
    /// # Errors
    /// [`SpoolError`] when it is too long or cannot be kept.
    pub fn push(&mut self, piece: &[u8]) -> Result<(), SpoolError> {
        self.len += piece.len() as u64;
        if self.len > BODY_BYTES_MAX {
            return Err(SpoolError::TooLong);
        }
        self.hash.update(piece);
        if let Some(file) = &mut self.file {
            file.write_all(piece)?;
        } else if self.memory.len() + piece.len() <= MEMORY_BYTES_MAX {
            self.memory.extend_from_slice(piece);
        } else {
            let mut file = nameless()?;
            file.write_all(&std::mem::take(&mut self.memory))?;
            file.write_all(piece)?;
            self.file = Some(file);
        }
        Ok(())
    }

    /// The whole body.
    #[must_use]
    pub fn finish(self) -> Spooled {
        let hash = self.hash.finish();
        let content = match self.file {
            Some(file) => Content::File(file),
            None => Content::Memory(self.memory.into()),
        };
        Spooled(Arc::new(Inner {
            content,
            len: self.len,
            sha256: hash.as_ref().iter().map(|byte| format!("{byte:02x}")).collect(),
        }))
    }
}

/// A file without a name, gone when it is closed.
fn nameless() -> io::Result<File> {
    let flags = i32::try_from(rustix::fs::OFlags::TMPFILE.bits()).unwrap_or_default();
    let made = File::options()
        .read(true)
        .write(true)
        .mode(0o600)
        .custom_flags(flags)
        .open(std::env::temp_dir());
    made.or_else(|_| {
        // Not every file system can; memory that counts as ours always can.
        Ok(rustix::fs::memfd_create("remit-body", rustix::fs::MemfdFlags::CLOEXEC)?.into())
    })
}

/// A whole body with its digest. Cheap to clone.
#[derive(Clone)]
pub struct Spooled(Arc<Inner>);

struct Inner {
    content: Content,
    len: u64,
    sha256: String,
}

enum Content {
    Memory(Bytes),
    File(File),
}

impl std::fmt::Debug for Spooled {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Spooled")
            .field("len", &self.0.len)
            .field("sha256", &self.0.sha256)
            .finish()
    }
}

impl Spooled {
    /// A body of these bytes.
    ///
    /// # Errors
    /// [`SpoolError`] when it is too long or cannot be kept.
    pub fn of(bytes: &[u8]) -> Result<Self, SpoolError> {
        let mut spool = Spool::default();
        spool.push(bytes)?;
        Ok(spool.finish())
    }

    /// No body.
    #[must_use]
    pub fn empty() -> Self {
        Spool::default().finish()
    }

    /// Length, in bytes.
    #[must_use]
    pub fn len(&self) -> u64 {
        self.0.len
    }

    /// True when there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.len == 0
    }

    /// SHA-256, in hexadecimal.
    #[must_use]
    pub fn sha256(&self) -> &str {
        &self.0.sha256
    }

    /// The bytes, where they are in memory.
    #[must_use]
    pub fn in_memory(&self) -> Option<&[u8]> {
        match &self.0.content {
            Content::Memory(bytes) => Some(bytes),
            Content::File(_) => None,
        }
    }

    /// At most `max` bytes from `offset` on; empty at the end.
    ///
    /// # Errors
    /// The file cannot be read.
    pub fn piece(&self, offset: u64, max: usize) -> io::Result<Bytes> {
        match &self.0.content {
            Content::Memory(bytes) => {
                let start = usize::try_from(offset).unwrap_or(usize::MAX).min(bytes.len());
                Ok(bytes.slice(start..bytes.len().min(start.saturating_add(max))))
            }
            Content::File(file) => {
                let left = usize::try_from(self.0.len.saturating_sub(offset)).unwrap_or(usize::MAX);
                let mut piece = vec![0; left.min(max)];
                file.read_exact_at(&mut piece, offset)?;
                Ok(piece.into())
            }
        }
    }

    /// A reader from the start.
    ///
    /// # Errors
    /// The file cannot be read.
    pub fn reader(&self) -> io::Result<Box<dyn BufRead + '_>> {
        Ok(match &self.0.content {
            Content::Memory(bytes) => Box::new(Cursor::new(bytes.as_ref())),
            Content::File(file) => Box::new(BufReader::with_capacity(64 * 1024, At { file, offset: 0 })),
        })
    }

    /// The body a gzip body unpacks to, within bounds.
    ///
    /// # Errors
    /// [`SpoolError`] when it is no gzip, a bomb, too long, or followed by something.
    pub fn gunzip(&self) -> Result<Self, SpoolError> {
        let mut decoder = flate2::bufread::GzDecoder::new(self.reader()?);
        let most = (1024 * 1024_u64).max(self.len().saturating_mul(RATIO_MAX));
        let mut spool = Spool::default();
        let mut buffer = vec![0; 64 * 1024];
        loop {
            let read = decoder
                .read(&mut buffer)
                .map_err(|error| SpoolError::Encoding(error.to_string()))?;
            if read == 0 {
                break;
            }
            spool.push(buffer.get(..read).unwrap_or_default())?;
            if spool.len > most {
                return Err(SpoolError::Bomb);
            }
        }
        let mut rest = decoder.into_inner();
        if !rest.fill_buf()?.is_empty() {
            return Err(SpoolError::Encoding("something stands behind its end".to_owned()));
        }
        Ok(spool.finish())
    }

    /// The body inside `aws-chunked` pieces (AWS Signature Version 4, "transferring payload in multiple chunks").
    ///
    /// # Errors
    /// [`SpoolError`] when it is not in that form.
    pub fn aws_unchunk(&self) -> Result<Self, SpoolError> {
        let bad = || SpoolError::Encoding("it is not in aws-chunked pieces".to_owned());
        let mut reader = self.reader()?;
        let mut spool = Spool::default();
        loop {
            let mut line = Vec::new();
            (&mut reader).take(8 * 1024).read_until(b'\n', &mut line)?;
            let text = std::str::from_utf8(&line)
                .ok()
                .and_then(|text| text.strip_suffix("\r\n"))
                .ok_or_else(bad)?;
            let size = text.split(';').next().unwrap_or_default();
            if size.is_empty() || size.len() > 8 || !size.bytes().all(|b| b.is_ascii_hexdigit()) {
                return Err(bad());
            }
            let size = u64::from_str_radix(size, 16).map_err(|_| bad())?;
            if size == 0 {
                // Trailing checksums may follow; they are of no use behind a new signature.
                return Ok(spool.finish());
            }
            let mut left = size;
            let mut buffer = vec![0; 64 * 1024];
            while left > 0 {
                let most = usize::try_from(left).unwrap_or(usize::MAX).min(buffer.len());
                let read = reader.read(buffer.get_mut(..most).unwrap_or_default())?;
                if read == 0 {
                    return Err(bad());
                }
                spool.push(buffer.get(..read).unwrap_or_default())?;
                left -= read as u64;
            }
            let mut end = [0; 2];
            reader.read_exact(&mut end).map_err(|_| bad())?;
            if end != *b"\r\n" {
                return Err(bad());
            }
        }
    }
}

/// Reads a shared file from a place of its own.
struct At<'f> {
    file: &'f File,
    offset: u64,
}

impl Read for At<'_> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let read = self.file.read_at(into, self.offset)?;
        self.offset += read as u64;
        Ok(read)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn gzip(bytes: &[u8]) -> Vec<u8> {
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
        encoder.write_all(bytes).unwrap();
        encoder.finish().unwrap()
    }

    #[test]
    fn long_bodies_go_to_a_file_and_come_back_the_same() {
        let mut spool = Spool::default();
        let piece: Vec<u8> = (0..=255).cycle().take(300_000).collect();
        for _ in 0..20 {
            spool.push(&piece).unwrap();
        }
        let spooled = spool.finish();
        assert!(spooled.in_memory().is_none());
        let mut whole = Vec::new();
        spooled.reader().unwrap().read_to_end(&mut whole).unwrap();
        assert_eq!(whole.len() as u64, spooled.len());
        assert_eq!(Spooled::of(&whole).unwrap().sha256(), spooled.sha256());
        assert_eq!(spooled.piece(300_000, 300_000).unwrap(), piece);
        assert!(spooled.piece(spooled.len(), 10).unwrap().is_empty());
    }

    #[test]
    fn bombs_and_false_encodings_are_refused() {
        let text = b"hello hello hello hello".repeat(100);
        let packed = Spooled::of(&gzip(&text)).unwrap();
        assert_eq!(packed.gunzip().unwrap().in_memory().unwrap(), text);
        let bomb = Spooled::of(&gzip(&vec![0; 64 * 1024 * 1024])).unwrap();
        assert!(matches!(bomb.gunzip(), Err(SpoolError::Bomb)));
        assert!(Spooled::of(b"plain").unwrap().gunzip().is_err());
        let mut tail = gzip(b"a");
        tail.extend_from_slice(b"POST / HTTP/1.1");
        assert!(Spooled::of(&tail).unwrap().gunzip().is_err());
    }

    #[test]
    fn aws_chunks_are_taken_apart() {
        let body = b"5;chunk-signature=ab\r\nhello\r\n1\r\n!\r\n0\r\nx-amz-checksum-crc32:AA==\r\n\r\n";
        assert_eq!(
            Spooled::of(body)
                .unwrap()
                .aws_unchunk()
                .unwrap()
                .in_memory()
                .unwrap(),
            b"hello!"
        );
        for bad in [
            &b"5\r\nhell"[..],
            b"zz\r\n",
            b"-1\r\nx\r\n",
            b"2\r\nabX\r\n0\r\n\r\n",
            b"",
        ] {
            assert!(Spooled::of(bad).unwrap().aws_unchunk().is_err());
        }
    }
}
