/* The shared declarations of sluice-init. */
#ifndef SLUICE_SUPERVISE_H
#define SLUICE_SUPERVISE_H

/* Starts a command and reports to the broker on a socket; returns the exit status of this program. */
int supervise(int argc, char **argv);

/* Becomes a command whose output goes through real pipes; returns an exit status only if that failed. */
int with_pipes(int argc, char **argv, int until_all);

#endif
