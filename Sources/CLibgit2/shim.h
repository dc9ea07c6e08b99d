#include <git2.h>
#include <git2/sys/transport.h>
#if __has_include(<git2/sys/errors.h>)
#include <git2/sys/errors.h>
#endif
