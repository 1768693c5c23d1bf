/* Makes a program believe that its processor lacks newer vector instructions.
 *
 * An audit library (LD_AUDIT, rtld-audit(7)). With OLDER_PROCESSOR=avx2 (nothing newer than AVX2 and FMA) or sse42
 * (nothing newer than SSE4.2) it replaces each CPUID of a library, before that library's first instruction is performed,
 * by UD2, which is as long, and answers the signal as an older processor would. Libraries that choose their kernels by
 * CPUID, as onnxruntime, oneDNN, OpenBLAS and numpy do, then take the older ones: the arithmetic is what such a processor
 * would perform, the clock and the caches are this machine's. glibc has chosen its own before.
 *
 * OLDER_PROCESSOR_TABLE names a text file (processor.py writes it): a line for each library, `SIZE NAME ADDRESS …`, with
 * its size in bytes, its file name and the hexadecimal addresses of its CPUID instructions before relocation.
 */
#define _GNU_SOURCE
#include <cpuid.h>
#include <link.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <ucontext.h>
#include <unistd.h>

#define BIT(n) (1u << (n))

/* Leaf 1, ecx: FMA, AVX, F16C. */
#define AVX_1C (BIT(12) | BIT(28) | BIT(29))
/* Leaf 7, ebx: AVX2; AVX512 F, DQ, IFMA, PF, ER, CD, BW, VL. */
#define AVX2_7B BIT(5)
#define AVX512_7B (BIT(16) | BIT(17) | BIT(21) | BIT(26) | BIT(27) | BIT(28) | BIT(30) | BIT(31))
/* Leaf 7, ecx: AVX512 VBMI, VBMI2, VNNI, BITALG, VPOPCNTDQ; edx: 4VNNIW, 4FMAPS, VP2INTERSECT, FP16, AMX. */
#define AVX512_7C (BIT(1) | BIT(6) | BIT(11) | BIT(12) | BIT(14))
#define AVX512_7D (BIT(2) | BIT(3) | BIT(8) | BIT(22) | BIT(23) | BIT(24) | BIT(25))
/* Leaf 0x80000001, ecx: XOP, FMA4. */
#define AMD_1C (BIT(11) | BIT(16))

static const uint8_t CPUID[2] = {0x0f, 0xa2}, UD2[2] = {0x0f, 0x0b};

static int is_sse42;
static FILE *table;
static struct {
	uintptr_t *at;
	size_t count;
} replaced;

static void end(const char *what, const char *which)
{
	fprintf(stderr, "older_processor: %s: %s\n", which, what);
	_exit(97);
}

static int is_replaced(uintptr_t address)
{
	for (size_t i = 0; i < replaced.count; i++)
		if (replaced.at[i] == address)
			return 1;
	return 0;
}

static void answer(int number, siginfo_t *info, void *context)
{
	greg_t *registers = ((ucontext_t *)context)->uc_mcontext.gregs;
	unsigned a, b, c, d, leaf = registers[REG_RAX], part = registers[REG_RCX];

	(void)info;
	if (!is_replaced(registers[REG_RIP])) { /* a real fault: let it happen again, unhandled */
		signal(number, SIG_DFL);
		return;
	}
	__cpuid_count(leaf, part, a, b, c, d);
	if (leaf == 1 && is_sse42)
		c &= ~AVX_1C;
	if (leaf == 0x80000001u && is_sse42)
		c &= ~AMD_1C;
	if (leaf == 7 && part == 0) {
		b &= ~(AVX512_7B | (is_sse42 ? AVX2_7B : 0));
		c &= ~AVX512_7C;
		d &= ~AVX512_7D;
	}
	if (leaf == 7 && part > 0)
		a = b = c = d = 0; /* AVX-VNNI, AVX512-BF16 and later */
	registers[REG_RAX] = a;
	registers[REG_RBX] = b;
	registers[REG_RCX] = c;
	registers[REG_RDX] = d;
	registers[REG_RIP] += 2;
}

static void replace(uintptr_t address, const char *library)
{
	uintptr_t size = sysconf(_SC_PAGESIZE), page = address & ~(size - 1);

	if (memcmp((void *)address, CPUID, 2) != 0)
		end("OLDER_PROCESSOR_TABLE is of another library of this name and size", library);
	if (mprotect((void *)page, 2 * size, PROT_READ | PROT_WRITE | PROT_EXEC) != 0 &&
	    mprotect((void *)page, size, PROT_READ | PROT_WRITE | PROT_EXEC) != 0)
		end("its code cannot be changed", library);
	replaced.at = realloc(replaced.at, (replaced.count + 1) * sizeof *replaced.at);
	if (replaced.at == NULL)
		end("no memory", library);
	replaced.at[replaced.count++] = address;
	memcpy((void *)address, UD2, 2);
}

unsigned int la_version(unsigned int version)
{
	const char *level = getenv("OLDER_PROCESSOR"), *path = getenv("OLDER_PROCESSOR_TABLE");
	struct sigaction action;

	if (level == NULL || (strcmp(level, "avx2") != 0 && strcmp(level, "sse42") != 0))
		end("OLDER_PROCESSOR must be avx2 or sse42", level ? level : "not set");
	if (path == NULL || (table = fopen(path, "re")) == NULL)
		end("OLDER_PROCESSOR_TABLE must be a file to read", path ? path : "not set");
	is_sse42 = strcmp(level, "sse42") == 0;
	memset(&action, 0, sizeof action);
	action.sa_sigaction = answer;
	action.sa_flags = SA_SIGINFO | SA_NODEFER;
	sigaction(SIGILL, &action, NULL);
	return version < LAV_CURRENT ? version : LAV_CURRENT;
}

unsigned int la_objopen(struct link_map *map, Lmid_t id, uintptr_t *cookie)
{
	const char *slash = strrchr(map->l_name, '/'), *name = slash ? slash + 1 : map->l_name;
	char *line = NULL, *rest, *word;
	size_t capacity = 0;
	struct stat file;

	(void)id, (void)cookie;
	if (*name == '\0' || stat(map->l_name, &file) != 0)
		return 0;
	rewind(table);
	while (getline(&line, &capacity, table) > 0) {
		if (strtoll(line, &rest, 10) != file.st_size || (word = strtok(rest, " \n")) == NULL || strcmp(word, name) != 0)
			continue;
		while ((word = strtok(NULL, " \n")) != NULL)
			replace(map->l_addr + strtoull(word, NULL, 16), name);
	}
	free(line);
	return 0;
}
