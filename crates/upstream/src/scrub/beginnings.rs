//! Whether a text ends in the beginning of a secret: asked of every piece of every stream, so mostly answered by two bytes.

/// The beginnings of the forms that are searched for.
#[derive(Debug)]
pub(super) struct Beginnings {
    /// The forms, in lower case and in order.
    forms: Vec<Vec<u8>>,
    /// One bit for each two bytes a form begins with.
    pairs: Vec<u64>,
    longest: usize,
}

impl Beginnings {
    pub(super) fn of(forms: Vec<Vec<u8>>) -> Self {
        let mut forms = forms;
        forms.iter_mut().for_each(|form| form.make_ascii_lowercase());
        forms.sort_unstable();
        forms.dedup();
        let mut pairs = vec![0; 1024];
        for form in &forms {
            if let [first, second, ..] = form.as_slice() {
                let (word, bit) = place(*first, *second);
                if let Some(word) = pairs.get_mut(word) {
                    *word |= bit;
                }
            }
        }
        Self {
            longest: forms.iter().map(Vec::len).max().unwrap_or(0),
            forms,
            pairs,
        }
    }

    /// Length of the longest form, in bytes.
    pub(super) const fn longest(&self) -> usize {
        self.longest
    }

    /// How many bytes at the end could be the beginning of a form.
    pub(super) fn at_end(&self, text: &[u8]) -> usize {
        let most = text.len().min(self.longest.saturating_sub(1));
        let tail = text.get(text.len() - most..).unwrap_or_default();
        let tail = tail.to_ascii_lowercase();
        (0..tail.len())
            .find(|&start| tail.get(start..).is_some_and(|end| self.begins(end)))
            .map_or(0, |start| tail.len() - start)
    }

    fn begins(&self, end: &[u8]) -> bool {
        if let [first, second, ..] = end {
            let (word, bit) = place(*first, *second);
            if self.pairs.get(word).is_none_or(|word| word & bit == 0) {
                return false;
            }
        }
        let at = self.forms.partition_point(|form| form.as_slice() < end);
        self.forms.get(at).is_some_and(|form| form.starts_with(end))
    }
}

const fn place(first: u8, second: u8) -> (usize, u64) {
    let at = (first as usize) << 8 | second as usize;
    (at / 64, 1 << (at % 64))
}
