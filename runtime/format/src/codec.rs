//! Bounds-checked little-endian reader and writer; the only offset arithmetic of the crate.

use crate::DecodeError;

/// Reads fields one after the other from a section.
///
/// A field beyond the end reads as zeros or as no bytes, and is remembered: whoever has read a
/// record asks [`Reader::intact`] or [`Reader::finish`] before believing it.
#[derive(Clone, Debug)]
pub struct Reader<'a> {
    rest: &'a [u8],
    section: &'static str,
    short: bool,
}

impl<'a> Reader<'a> {
    /// A reader over a section's bytes; `section` names it in errors.
    #[must_use]
    pub fn new(section: &'static str, bytes: &'a [u8]) -> Self {
        Self {
            rest: bytes,
            section,
            short: false,
        }
    }

    /// The next `len` bytes.
    #[inline(never)]
    pub fn bytes(&mut self, len: usize) -> &'a [u8] {
        match self.rest.split_at_checked(len) {
            Some((head, tail)) => {
                self.rest = tail;
                head
            }
            None => {
                self.short = true;
                self.rest = &[];
                &[]
            }
        }
    }

    /// The next `N` bytes as an array.
    pub fn array<const N: usize>(&mut self) -> [u8; N] {
        self.bytes(N).first_chunk().copied().unwrap_or([0; N])
    }

    /// The next field.
    pub fn take<T: Field<'a>>(&mut self) -> T {
        T::take(self)
    }

    /// Bytes not read yet.
    #[must_use]
    pub fn left(&self) -> usize {
        self.rest.len()
    }

    /// True when every byte has been read.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.rest.is_empty()
    }

    /// Fails if a field was beyond the end.
    pub fn intact(&self) -> Result<(), DecodeError> {
        if self.short {
            Err(DecodeError::Record(self.section))
        } else {
            Ok(())
        }
    }

    /// Fails if a field was beyond the end, or unless every byte has been read: bytes nobody
    /// looked at are bytes nobody checked.
    pub fn finish(&self) -> Result<(), DecodeError> {
        if self.rest.is_empty() {
            self.intact()
        } else {
            Err(DecodeError::Record(self.section))
        }
    }
}

/// Writes fields one after the other into a buffer that must be large enough.
#[derive(Debug)]
pub struct Writer<'a> {
    buffer: &'a mut [u8],
    len: usize,
    full: bool,
}

impl<'a> Writer<'a> {
    /// A writer at the start of `buffer`.
    pub fn new(buffer: &'a mut [u8]) -> Self {
        Self {
            buffer,
            len: 0,
            full: false,
        }
    }

    /// Appends bytes; a full buffer is remembered and told by [`Writer::len`].
    pub fn bytes(&mut self, bytes: &[u8]) {
        let end = self.len.saturating_add(bytes.len());
        match self.buffer.get_mut(self.len..end) {
            Some(room) => {
                room.copy_from_slice(bytes);
                self.len = end;
            }
            None => self.full = true,
        }
    }

    /// Appends a field.
    pub fn put<'b, T: Field<'b>>(&mut self, field: &T) {
        field.put(self);
    }

    /// Bytes written, or `None` if the buffer was too small for all of them.
    #[must_use]
    pub fn len(&self) -> Option<usize> {
        if self.full { None } else { Some(self.len) }
    }

    /// The bytes written, or `None` if the buffer was too small for all of them.
    #[must_use]
    pub fn finish(self) -> Option<&'a [u8]> {
        let len = self.len()?;
        self.buffer.get(..len)
    }

    /// True when nothing was written.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len == 0 && !self.full
    }

    /// Writes a `u32` over an earlier one, for counts that are known only at the end.
    pub fn patch_u32(&mut self, at: usize, value: u32) {
        let end = at.saturating_add(4);
        match self.buffer.get_mut(at..end) {
            Some(room) if end <= self.len => room.copy_from_slice(&value.to_le_bytes()),
            _ => self.full = true,
        }
    }
}

/// A value with one encoding.
pub trait Field<'a>: Sized {
    /// Bytes it takes; of a value without a fixed length, the bytes of its length alone.
    const SIZE: usize;
    /// False for bytes of any length.
    const FIXED: bool = true;
    /// Of a record, its fields in their order; a test compares them with the specification.
    const FIELDS: &'static [FieldInfo] = &[];
    /// Appends the value.
    fn put(&self, w: &mut Writer<'_>);
    /// Reads the value back, or what [`Reader`] says of a field beyond the end.
    fn take(r: &mut Reader<'a>) -> Self;
}

macro_rules! integer {
    ($($t:ty),*) => {$(
        impl<'a> Field<'a> for $t {
            const SIZE: usize = size_of::<$t>();
            #[inline(never)]
            fn put(&self, w: &mut Writer<'_>) {
                w.bytes(&self.to_le_bytes());
            }
            #[inline(never)]
            fn take(r: &mut Reader<'a>) -> Self {
                <$t>::from_le_bytes(r.array())
            }
        }
    )*};
}
integer!(u8, u16, u32, u64, i32, i64);

/// Bytes of known length, as they are.
impl<'a, const N: usize> Field<'a> for [u8; N] {
    const SIZE: usize = N;
    fn put(&self, w: &mut Writer<'_>) {
        w.bytes(self);
    }
    fn take(r: &mut Reader<'a>) -> Self {
        r.array()
    }
}

/// Numbers of known count.
impl<'a, const N: usize> Field<'a> for [u64; N] {
    const SIZE: usize = size_of::<[u64; N]>();
    fn put(&self, w: &mut Writer<'_>) {
        for number in self {
            w.put(number);
        }
    }
    fn take(r: &mut Reader<'a>) -> Self {
        let mut all = [0; N];
        for number in &mut all {
            *number = r.take();
        }
        all
    }
}

/// Bytes of any length: a `u32` length, then the bytes.
impl<'a> Field<'a> for &'a [u8] {
    const SIZE: usize = size_of::<u32>();
    const FIXED: bool = false;
    fn put(&self, w: &mut Writer<'_>) {
        match u32::try_from(self.len()) {
            Ok(len) => w.put(&len),
            Err(_) => w.full = true,
        }
        w.bytes(self);
    }
    fn take(r: &mut Reader<'a>) -> Self {
        let len: u32 = r.take();
        r.bytes(usize::try_from(len).unwrap_or(usize::MAX))
    }
}

/// What a record says of one of its fields: name, [`Field::SIZE`], [`Field::FIXED`].
pub type FieldInfo = (&'static str, usize, bool);

/// Declares a record: its fields in the order of their encoding, without padding.
macro_rules! record {
    ($(#[$doc:meta])* $name:ident<$a:lifetime> { $($(#[$fdoc:meta])* $field:ident: $t:ty,)* }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub struct $name<$a> { $($(#[$fdoc])* pub $field: $t,)* }
        $crate::codec::record!(@impl [$a] $name<$a> { $($field: $t,)* });
    };
    ($(#[$doc:meta])* $name:ident { $($(#[$fdoc:meta])* $field:ident: $t:ty,)* }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub struct $name { $($(#[$fdoc])* pub $field: $t,)* }
        $crate::codec::record!(@impl ['a] $name { $($field: $t,)* });
    };
    (@impl [$a:lifetime] $name:ty { $($field:ident: $t:ty,)* }) => {
        impl<$a> $crate::codec::Field<$a> for $name {
            const SIZE: usize = {
                let mut size = 0usize;
                $(size = size.saturating_add(<$t as $crate::codec::Field<'_>>::SIZE);)*
                size
            };
            const FIXED: bool = true $(&& <$t as $crate::codec::Field<'_>>::FIXED)*;
            const FIELDS: &'static [$crate::codec::FieldInfo] = &[$((
                stringify!($field),
                <$t as $crate::codec::Field<'_>>::SIZE,
                <$t as $crate::codec::Field<'_>>::FIXED,
            ),)*];
            #[inline(never)]
            fn put(&self, w: &mut $crate::Writer<'_>) { $(w.put(&self.$field);)* }
            #[inline(never)]
            fn take(r: &mut $crate::Reader<$a>) -> Self {
                Self { $($field: r.take(),)* }
            }
        }
    };
}
pub(crate) use record;
