package config

import (
	"strings"

	"github.com/go-viper/mapstructure/v2"
)

// hooks turn strings into the types of Config: those that read text themselves, and lists written with commas as the
// environment has them.
func hooks() mapstructure.DecodeHookFunc {
	return mapstructure.ComposeDecodeHookFunc(
		mapstructure.TextUnmarshallerHookFunc(),
		mapstructure.StringToSliceHookFunc(","),
	)
}

// plain makes one line of mapstructure's list of errors.
func plain(err error) string {
	text := strings.ReplaceAll(err.Error(), "\n", " ")
	return strings.TrimSpace(strings.TrimPrefix(text, "decoding failed due to the following error(s):"))
}
