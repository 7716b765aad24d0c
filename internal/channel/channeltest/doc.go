// Package channeltest holds one conversation with Lessor, spoken through every
// door: the API, the command line, the portal's forms and a ticket queue. Each
// door is the real one; what it leaves in the log must be the same but for the
// channel's name, the ids and the times (law 12). It is a room of tests alone.
package channeltest
