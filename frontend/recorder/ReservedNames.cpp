//===- ReservedNames.cpp - Names that a generated header cannot use ----------===//
//
// Names of models, inputs, targets, outputs, losses and metrics stand in the
// generated header. An argument's name hides what it is declared around, but no
// keyword, no macro, and no type that a later argument needs. A model's name is a
// type beside everything that the header's own includes declare.
//
//===----------------------------------------------------------------------===//

#include "frontend/recorder/ReservedNames.h"

#include "llvm/ADT/StringExtras.h"
#include "llvm/ADT/StringSet.h"
#include "llvm/Support/Regex.h"

using namespace llvm;

namespace fm {

static StringSet<> words(StringRef text) {
  StringSet<> set;
  SmallVector<StringRef> split;
  text.split(split, ' ', -1, false);
  for (StringRef word : split)
    set.insert(word);
  return set;
}

static bool isKeyword(StringRef name) {
  static const StringSet<> set = words(
      "alignas alignof and and_eq asm auto bitand bitor bool break case catch char char16_t char32_t char8_t class "
      "compl concept const consteval constexpr constinit const_cast continue co_await co_return co_yield decltype "
      "default delete do double dynamic_cast else enum explicit export extern false float for friend goto if inline "
      "int long mutable namespace new noexcept not not_eq nullptr operator or or_eq private protected public register "
      "reinterpret_cast requires restrict return short signed sizeof static static_assert static_cast struct switch "
      "template this thread_local throw true try typedef typeid typename union unsigned using virtual void volatile "
      "wchar_t while xor xor_eq typeof");
  // _Bool, _Complex and whatever the next standard brings
  if (name.size() > 1 && name[0] == '_' && isUpper(name[1]))
    return true;
  return set.contains(name);
}

/// INT_MAX, UINT8_MAX, SIZE_MAX, FLT_EPSILON, M_PI: of limits.h, stdint.h, float.h, math.h.
static bool isNumericLimit(StringRef name) {
  static const Regex limit("^((U?(CHAR|SHRT|INT|LONG|LLONG)|SCHAR|SSIZE|SIZE|PTRDIFF|SIG_ATOMIC|WCHAR|WINT|"
                           "U?INT(_FAST|_LEAST)?[0-9]+|U?INTPTR|U?INTMAX)_(MIN|MAX|WIDTH)|(FLT|DBL|LDBL)_[A-Z0-9_]+|M_[A-Z0-9_]+)$");
  return limit.match(name);
}

/// Macros of common headers and compilers, and the types of the prototypes.
static bool isMacroOrType(StringRef name) {
  static const StringSet<> set =
      words("NULL EOF NAN INFINITY HUGE_VAL BUFSIZ RAND_MAX EXIT_SUCCESS EXIT_FAILURE errno assert offsetof stdin "
            "stdout stderr complex I linux unix i386 size_t ptrdiff_t int8_t int16_t int32_t int64_t uint8_t uint16_t "
            "uint32_t uint64_t CHAR_BIT MB_LEN_MAX PATH_MAX NAME_MAX IOV_MAX CLOCKS_PER_SEC EDOM ERANGE EILSEQ");
  return set.contains(name) || isNumericLimit(name);
}

/// Functions of the C library, as far as <cstdlib>, <string> and their like
/// declare them, and where execution begins.
static bool isLibraryFunction(StringRef name) {
  static const StringSet<> set = words(
      "main std "
      // stdlib.h
      "abort abs atexit atof atoi atol atoll at_quick_exit bsearch calloc aligned_alloc div exit free getenv labs ldiv "
      "llabs lldiv malloc mblen mbstowcs mbtowc qsort quick_exit rand random realloc setenv srand srandom strtod "
      "strtof strtol strtold strtoll strtoul strtoull system wcstombs wctomb alloca mktemp initstate setstate drand48 "
      "select "
      // string.h, strings.h
      "memchr memcmp memcpy memmove memset strcat strchr strcmp strcoll strcpy strcspn strerror strlen strncat strncmp "
      "strncpy strpbrk strrchr strspn strstr strtok strxfrm bcmp bcopy bzero index rindex ffs basename "
      // stdio.h
      "clearerr fclose feof ferror fflush fgetc fgetpos fgets fopen fprintf fputc fputs fread freopen fscanf fseek "
      "fsetpos ftell fwrite getc getchar gets getline perror printf putc putchar puts remove rename rewind scanf "
      "setbuf setvbuf snprintf sprintf sscanf tmpfile tmpnam ungetc vfprintf vprintf vsnprintf vsprintf dprintf popen "
      "pclose tempnam "
      // math.h
      "acos acosh asin asinh atan atan2 atanh cbrt ceil copysign cos cosh erf erfc exp exp2 expm1 fabs fdim floor fma "
      "fmax fmin fmod frexp gamma hypot ilogb j0 j1 jn ldexp lgamma llrint llround log log10 log1p log2 logb lrint "
      "lround modf nan nearbyint nextafter pow remainder remquo rint round scalb scalbn signbit sin sinh sqrt tan tanh "
      "tgamma trunc y0 y1 yn isnan isinf isfinite isnormal "
      // ctype.h, time.h, signal.h, locale.h, wchar.h
      "isalnum isalpha isblank iscntrl isdigit isgraph islower isprint ispunct isspace isupper isxdigit tolower toupper "
      "asctime clock ctime difftime gmtime localtime mktime strftime time timezone daylight signal raise setlocale "
      "localeconv clone wmemcpy "
      // unistd.h: what glibc's other headers bring along
      "environ read write open close dup pipe fork link unlink access sleep pause nice sync truncate");
  return set.contains(name);
}

/// Members of the class in the header, all of which are functions but two.
static bool isMember(StringRef name) {
  static const StringSet<> set =
      words("forward evaluate gradients train_step apply_gradients init save load raw check set_parallel_for get_tensor "
            "set_tensor set_learning_rate get_learning_rate set_step get_step set_seed self_ memory_");
  return set.contains(name);
}

StringRef reservedForArguments(StringRef name) {
  if (isKeyword(name))
    return "a reserved word of C or C++";
  if (isMacroOrType(name))
    return "a macro or a type of the C library";
  if (name.starts_with("__") || name.starts_with("FM_") || name == "fm_status")
    return "a name of the runtime or the compiler";
  return "";
}

StringRef reservedForModels(StringRef name) {
  if (StringRef meaning = reservedForArguments(name); !meaning.empty())
    return meaning;
  if (name == "fm" || name.starts_with("fm_"))
    return "a name of the runtime";
  if (isLibraryFunction(name))
    return "a name of the C or C++ library";
  if (isMember(name))
    return "a member of the generated C++ class";
  return "";
}

} // namespace fm
