/* s3/crc_combine.h - the CRC of two byte strings behind each other, from the CRCs of both. Pure. */
#ifndef S3_CRC_COMBINE_H
#define S3_CRC_COMBINE_H

#include "s3/request.h"

/* Only for CRC32, CRC32C and CRC64NVME; `second_bytes` is the length of what `second` is the CRC of. */
uint64_t s3_crc_combine(enum s3_checksum kind, uint64_t first, uint64_t second, uint64_t second_bytes);

#endif
