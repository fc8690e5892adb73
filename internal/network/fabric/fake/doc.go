// Package fake is a fabric in memory.
// (Being written right now by a second pair of hands, who also does
// fabrictest and fake: build the projector and the API against package fabric.)
package fake
