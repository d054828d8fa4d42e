/* A plugin for qemu's user mode that counts instructions, and prints the count to stderr at each call of getppid.
 *
 *     gcc -shared -fPIC -O2 -o plugin.so benchmarks/instructions/plugin.c
 *
 * Debian has no header of qemu's plugins: what is needed of it stands here. */
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#define GETPPID_OF_ARM 64

typedef uint64_t plugin;
struct qemu_plugin_tb;

extern size_t qemu_plugin_tb_n_insns(const struct qemu_plugin_tb *block);
extern void qemu_plugin_register_vcpu_tb_trans_cb(plugin id, void (*call)(plugin, struct qemu_plugin_tb *));
extern void qemu_plugin_register_vcpu_tb_exec_inline(struct qemu_plugin_tb *block, int operation, void *counter,
                                                     uint64_t value);
extern void qemu_plugin_register_vcpu_syscall_cb(plugin id,
                                                 void (*call)(plugin, unsigned, int64_t, uint64_t, uint64_t, uint64_t,
                                                              uint64_t, uint64_t, uint64_t, uint64_t, uint64_t));

int qemu_plugin_version = 1;

static uint64_t instructions;

static void translated(plugin id, struct qemu_plugin_tb *block) {
    const int add = 0;
    (void)id;
    qemu_plugin_register_vcpu_tb_exec_inline(block, add, &instructions, qemu_plugin_tb_n_insns(block));
}

static void called(plugin id, unsigned cpu, int64_t number, uint64_t a, uint64_t b, uint64_t c, uint64_t d, uint64_t e,
                   uint64_t f, uint64_t g, uint64_t h) {
    (void)id, (void)cpu, (void)a, (void)b, (void)c, (void)d, (void)e, (void)f, (void)g, (void)h;
    if (number == GETPPID_OF_ARM) {
        fprintf(stderr, "instructions %llu\n", (unsigned long long)instructions);
    }
}

int qemu_plugin_install(plugin id, const void *info, int count, char **arguments) {
    (void)info, (void)count, (void)arguments;
    qemu_plugin_register_vcpu_tb_trans_cb(id, translated);
    qemu_plugin_register_vcpu_syscall_cb(id, called);
    return 0;
}
