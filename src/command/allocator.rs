//! The allocator of the program: mimalloc, asked in the way that is quick. Knows sizes and
//! alignments, and tells the count by which filters are bounded; nothing of who asks.

use std::{
    alloc::{GlobalAlloc, Layout},
    ffi::{c_int, c_long, c_void},
};

use mimalloc::MiMalloc;

use crate::catalog::jq::count_memory;

/// Rows are made on one thread and dropped on another all the time, which the system's allocator is
/// slow at.
///
/// The crate asks for every block by its alignment, which mimalloc 3 answers slowly, and with more
/// than is asked for, unless a size is a power of two. What malloc aligns anyway is asked for
/// without.
pub struct Allocator;

/// What malloc aligns to on every platform with pointers of eight bytes.
const NATURAL: usize = 16;

/// `mi_option_purge_delay` of mimalloc 3: after so many milliseconds memory that is free goes back
/// to the system. By itself it waits a second, in which a load frees more than it needs.
const PURGE_DELAY: (c_int, c_long) = (15, 10);

#[allow(unsafe_code, reason = "the crate has no interface for these")]
unsafe extern "C" {
    fn mi_malloc(size: usize) -> *mut c_void;
    fn mi_zalloc(size: usize) -> *mut c_void;
    fn mi_realloc(block: *mut c_void, size: usize) -> *mut c_void;
    fn mi_option_set(option: c_int, value: c_long);
}

/// Whether a block of malloc is aligned so: small ones are to their size.
fn is_natural(layout: Layout) -> bool {
    layout.align() <= NATURAL && layout.align() <= layout.size()
}

#[allow(unsafe_code, reason = "an allocator is a promise that no compiler checks")]
// SAFETY: the blocks of mimalloc's functions are its own whichever of them made one, and each is as
// large and as aligned as its layout says: by `is_natural`, or because the crate asks for it.
unsafe impl GlobalAlloc for Allocator {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        count_memory(layout.size().cast_signed());
        match is_natural(layout) {
            true => unsafe { mi_malloc(layout.size()) }.cast(),
            false => unsafe { MiMalloc.alloc(layout) },
        }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        count_memory(layout.size().cast_signed());
        match is_natural(layout) {
            true => unsafe { mi_zalloc(layout.size()) }.cast(),
            false => unsafe { MiMalloc.alloc_zeroed(layout) },
        }
    }

    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        count_memory(-layout.size().cast_signed());
        unsafe { MiMalloc.dealloc(block, layout) }
    }

    unsafe fn realloc(&self, block: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        count_memory(size.cast_signed() - layout.size().cast_signed());
        match layout.align() <= NATURAL && layout.align() <= size {
            true => unsafe { mi_realloc(block.cast(), size) }.cast(),
            false => unsafe { MiMalloc.realloc(block, layout, size) },
        }
    }
}

impl Allocator {
    /// Lets it give back what is free as soon as the harvest needs it to, and without pages of two
    /// megabytes: those are cleared as a whole each time that a part of one is used again.
    pub fn set_up() {
        // A system that does not know them has none.
        let _ = rustix::thread::disable_transparent_huge_pages(true);
        // SAFETY: an option is a number that the allocator looks up when it needs it.
        #[allow(unsafe_code, reason = "as above")]
        unsafe {
            mi_option_set(PURGE_DELAY.0, PURGE_DELAY.1);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    #[allow(unsafe_code, reason = "this is what an allocator is asked for")]
    fn blocks_are_as_large_and_as_aligned_as_asked_for() {
        for align in (0..8).map(|power| 1usize << power) {
            for size in [1, 2, 7, 8, 9, 15, 16, 17, 24, 48, 100, 160, 192, 1_000, 5_000, 100_000] {
                let layout = Layout::from_size_align(size, align).expect("a layout");
                let larger = Layout::from_size_align(3 * size, align).expect("a layout");
                // SAFETY: each block is used within its layout, and freed once.
                unsafe {
                    let zero = Allocator.alloc_zeroed(layout);
                    let block = Allocator.alloc(layout);
                    for block in [zero, block] {
                        assert!(!block.is_null() && block.addr().is_multiple_of(align), "{layout:?}");
                    }
                    assert!(std::slice::from_raw_parts(zero, size).iter().all(|byte| *byte == 0));
                    block.write_bytes(7, size);
                    let block = Allocator.realloc(block, layout, 3 * size);
                    assert!(!block.is_null() && block.addr().is_multiple_of(align), "{layout:?}");
                    assert!(std::slice::from_raw_parts(block, size).iter().all(|byte| *byte == 7));
                    Allocator.dealloc(block, larger);
                    Allocator.dealloc(zero, layout);
                }
            }
        }
    }
}
