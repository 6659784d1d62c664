//! The choices of a run, read from the fuzzer's bytes.

/// Bytes that are used up from the front; beyond the end everything is zero.
pub(crate) struct Feed<'a>(pub(crate) &'a [u8]);

impl<'a> Feed<'a> {
    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(crate) fn byte(&mut self) -> u8 {
        let Some((first, rest)) = self.0.split_first() else {
            return 0;
        };
        self.0 = rest;
        *first
    }

    pub(crate) fn word(&mut self) -> u16 {
        u16::from_le_bytes([self.byte(), self.byte()])
    }

    pub(crate) fn take(&mut self, len: usize) -> &'a [u8] {
        let (taken, rest) = self.0.split_at(len.min(self.0.len()));
        self.0 = rest;
        taken
    }

    /// A length around the limits that the runs set, so that a short input reaches them.
    pub(crate) fn len(&mut self) -> usize {
        const LENGTHS: [usize; 12] = [0, 1, 15, 16, 17, 100, 1000, 2048, 4095, 4096, 4097, 70_000];
        let choice = usize::from(self.byte());
        LENGTHS.get(choice).copied().unwrap_or(choice)
    }

    /// A call's number: mostly one that there is.
    pub(crate) fn id(&mut self) -> u64 {
        match self.byte() {
            255 => u64::MAX,
            254 => 1 << 40,
            small => u64::from(small % 16),
        }
    }

    /// A number whose size varies as much as its bits.
    pub(crate) fn number(&mut self) -> u64 {
        match self.byte() {
            0 => 0,
            255 => u64::MAX,
            shift => u64::from(self.word()) << (shift % 56),
        }
    }
}
