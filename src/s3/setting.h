/* s3/setting.h - what a GET of a bucket's setting (?policy, ?cors, ...) answers: none is ever configured here. Pure. */
#ifndef S3_SETTING_H
#define S3_SETTING_H

#include "s3/request.h"

/* S3_OK and a document, or the error that says there is no such configuration. */
enum s3_code s3_setting_answer(enum s3_setting setting, struct span *document) MUST_CHECK;

#endif
