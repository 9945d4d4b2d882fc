export { type EpochPerScopeOptions, epochPerScope } from './epoch-per-scope.js'
export { whenGlobalExists } from './when-global-exists.js'
export {
  type AnyFunction,
  type LoadedModule,
  wrapFunctions,
  type WrapFunctionsOptions,
  type WrappedFunctions,
} from './wrap-functions.js'
