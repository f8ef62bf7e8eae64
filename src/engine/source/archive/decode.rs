//! Decoders that read all gzip members or zstd frames as one stream.

use std::io::{self, BufRead, BufReader, Read};

/// Reads the members of a gzip archive in sequence, as `gunzip` does: what follows the last one (a line end, padding) is not
/// part of the archive.
pub(super) struct GzipMembers<R: BufRead> {
    decoder: Option<flate2::bufread::GzDecoder<R>>,
}

impl<R: BufRead> GzipMembers<R> {
    pub(super) fn new(source: R) -> Self {
        GzipMembers { decoder: Some(flate2::bufread::GzDecoder::new(source)) }
    }
}

impl<R: BufRead> Read for GzipMembers<R> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        while let Some(decoder) = &mut self.decoder {
            let read = decoder.read(into)?;
            if read > 0 || into.is_empty() {
                return Ok(read);
            }
            let Some(mut source) = self.decoder.take().map(flate2::bufread::GzDecoder::into_inner) else { break };
            if let [0x1f] | [0x1f, 0x8b, ..] = source.fill_buf()? {
                self.decoder = Some(flate2::bufread::GzDecoder::new(source));
            }
        }
        Ok(0)
    }
}

/// Turns a decoder's error into an I/O error: `UnexpectedEof` if the input ended too early.
pub(super) fn decode_error(error: &(dyn std::error::Error + 'static)) -> io::Error {
    let causes = std::iter::successors(Some(error), |error| error.source());
    let mut causes = causes.filter_map(|error| error.downcast_ref::<io::Error>());
    match causes.any(|error| error.kind() == io::ErrorKind::UnexpectedEof) {
        true => io::ErrorKind::UnexpectedEof.into(),
        false => io::Error::other(error.to_string()),
    }
}

/// Reads the frames of a zstd archive in sequence, as `zstd -d` does.
pub(super) struct ZstdFrames<R: Read> {
    source: BufReader<R>,
    decoder: ruzstd::decoding::FrameDecoder,
    inside: bool,
}

impl<R: Read> ZstdFrames<R> {
    pub(super) fn new(source: R) -> Self {
        ZstdFrames { source: BufReader::new(source), decoder: ruzstd::decoding::FrameDecoder::new(), inside: false }
    }
}

impl<R: Read> Read for ZstdFrames<R> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        use ruzstd::decoding::{
            BlockDecodingStrategy,
            errors::{FrameDecoderError, ReadFrameHeaderError},
        };
        loop {
            if !self.inside {
                if BufRead::fill_buf(&mut self.source)?.is_empty() {
                    return Ok(0);
                }
                match self.decoder.reset(&mut self.source) {
                    Ok(()) => self.inside = true,
                    Err(FrameDecoderError::ReadFrameHeaderError(ReadFrameHeaderError::SkipFrame {
                        length, ..
                    })) => {
                        io::copy(&mut (&mut self.source).take(u64::from(length)), &mut io::sink())?;
                        continue;
                    }
                    Err(e) => return Err(decode_error(&e)),
                }
            }
            while self.decoder.can_collect() < into.len() && !self.decoder.is_finished() {
                let want = BlockDecodingStrategy::UptoBytes(into.len());
                self.decoder.decode_blocks(&mut self.source, want).map_err(|e| decode_error(&e))?;
            }
            let read = Read::read(&mut self.decoder, into)?;
            if read > 0 {
                return Ok(read);
            }
            if self.decoder.is_finished() {
                let (stored, computed) =
                    (self.decoder.get_checksum_from_data(), self.decoder.get_calculated_checksum());
                if let (Some(stored), Some(computed)) = (stored, computed)
                    && stored != computed
                {
                    return Err(io::Error::other("checksum mismatch"));
                }
                self.inside = false;
            }
        }
    }
}
