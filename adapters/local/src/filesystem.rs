//! Which kind of file system a directory is on.

use rustix::fd::{AsFd, OwnedFd};
use rustix::fs::{AtFlags, StatxAttributes, StatxFlags, fstat, fstatfs, fstatvfs, statat, statx};
use rustix::io::Result;

/// File systems that others change behind this kernel's back: inotify is silent about that, and an open file can be
/// removed on the server. Numbers of `statfs(2)` and the kernel's `magic.h`.
const CHANGED_ELSEWHERE: [u32; 16] = [
    0x0000_6969, // NFS
    0xFF53_4D42, // CIFS
    0x0000_517B, // SMB
    0xFE53_4D42, // SMB2
    0x6573_5546, // FUSE, virtiofs among it
    0x0102_1997, // 9P
    0x00C3_6400, // Ceph
    0x0BD0_0BD0, // Lustre
    0x4750_4653, // IBM Storage Scale (GPFS)
    0x1983_0326, // BeeGFS
    0x0116_1970, // GFS2
    0x7461_636F, // OCFS2
    0x5346_414F, // OpenAFS
    0x6B41_4653, // AFS of the kernel
    0x786F_4256, // VirtualBox shared folders
    0x0000_564C, // NCP
];

/// Whether this kernel sees every change of the directory: no other machine writes to it.
pub(crate) fn sees_all_changes(directory: &OwnedFd) -> bool {
    // The numbers are 32 bits wide; the field is wider, and sign-extended on some machines.
    fstatfs(directory).is_ok_and(|answer| !CHANGED_ELSEWHERE.contains(&(answer.f_type as u32)))
}

/// What stays of a file system from one mount to the next: its own id, or its type where it gives none (NFS).
pub(crate) fn identity(directory: &OwnedFd) -> Result<u64> {
    let id = fstatvfs(directory)?.f_fsid;
    if id != 0 { Ok(id) } else { Ok(fstatfs(directory)?.f_type as u32 as u64) }
}

/// Whether it is known to rename without replacing. NFS has no such call; others tell when they are asked.
pub(crate) fn renames_without_replacing(directory: &OwnedFd) -> bool {
    const NFS: u32 = 0x0000_6969;
    fstatfs(directory).is_ok_and(|answer| answer.f_type as u32 != NFS)
}

/// Whether something is mounted on this very directory.
pub(crate) fn is_mount_point(directory: &OwnedFd) -> Result<bool> {
    // The kernel says it outright since 5.8, for bind mounts too.
    if let Ok(answer) = statx(directory, c"", AtFlags::EMPTY_PATH, StatxFlags::empty())
        && answer.stx_attributes_mask.contains(StatxAttributes::MOUNT_ROOT)
    {
        return Ok(answer.stx_attributes.contains(StatxAttributes::MOUNT_ROOT));
    }
    let above = statat(directory.as_fd(), c"..", AtFlags::empty())?;
    Ok(fstat(directory)?.st_dev != above.st_dev)
}
