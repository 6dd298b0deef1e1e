#include "cubelet/fs_group.h"
#include <sys/stat.h>

static mode_t
added_bits (bool is_directory, bool is_read_only)
{
    mode_t bits = is_read_only ? 0440 : 0660;
    return is_directory ? bits | 0110 | S_ISGID : bits;
}

mode_t
fs_group_mode (mode_t mode, bool is_directory, bool is_read_only)
{
    return (mode & 07777) | added_bits (is_directory, is_read_only);
}

bool
fs_group_is_done (mode_t root_mode, gid_t root_gid, int64_t fs_group, bool is_read_only)
{
    mode_t bits = added_bits (true, is_read_only);
    return (int64_t) root_gid == fs_group && S_ISDIR (root_mode) && (root_mode & bits) == bits;
}
