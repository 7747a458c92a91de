
/*
 * Copyright (C) ngx_http_iot_module authors
 * SPDX-License-Identifier: BSD-2-Clause
 */


#ifndef _FUZZ_ASN1_H_INCLUDED_
#define _FUZZ_ASN1_H_INCLUDED_


#include "unit.h"


/*
 * Mutates DER by its elements: they are changed, copied, dropped, exchanged,
 * given other tags, key types, curves, moduli, times and extensions, and the
 * lengths of those around them are set right.  data has room for max bytes,
 * at most FUZZ_ASN1_MAX.  Returns the new size.
 */
size_t fuzz_asn1_mutate(uint8_t *data, size_t size, size_t max,
    unsigned seed);

/*
 * Keeps a copy of DER that was accepted.  A quarter of mutations begins with
 * one of those that were kept last, so that much of what is made is accepted.
 */
void fuzz_asn1_keep(const u_char *data, size_t size);

/* mutates by putting an element of other in the place of one like it */
size_t fuzz_asn1_graft(uint8_t *data, size_t size, size_t max,
    const uint8_t *other, size_t other_size, unsigned seed);


#define FUZZ_ASN1_MAX  65536


/* libFuzzer's own, for bytes without a structure */
size_t LLVMFuzzerMutate(uint8_t *data, size_t size, size_t max);


#endif /* _FUZZ_ASN1_H_INCLUDED_ */
